//! Which models fit the study at hand: by modality, and by the part of the body that is seen.

use super::descriptions::against;
use crate::patient::{BodyRegion, Modality};

/// What is known of a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelFacts<'a> {
    /// The DICOM codes of the images that its channels take: the series it runs on is one of them. Empty
    /// ones are for any.
    pub modalities: &'a [String],
    /// The names of its channels, where they tell more.
    pub channels: &'a [String],
    /// What it contours.
    pub organs: &'a [String],
    /// The parts of the body that it is for; empty where its organs tell.
    pub regions: &'a [BodyRegion],
    /// Whether it looks for what not everyone has: lesions, blood, effusions, implants.
    pub is_for_findings: bool,
    /// Whether it has only seen synthetic anatomy.
    pub synthetic: bool,
    /// Whether it takes any values; others need Hounsfield units.
    pub any_values: bool,
    /// The title of the model that it cannot run without, where that is not on this machine.
    pub lacks: Option<&'a str>,
}

/// What is known of the study.
#[derive(Debug, Clone, Copy)]
pub struct StudyFacts<'a> {
    /// The modality of the open series.
    pub modality: &'a Modality,
    /// Its Series Description.
    pub description: &'a str,
    /// Whether its values are Hounsfield units.
    pub is_hu: bool,
    /// Whether it is the synthetic sample patient.
    pub synthetic: bool,
    /// The regions seen in it; empty where they are not known.
    pub regions: &'a [BodyRegion],
}

/// A model for so many parts of the body is for most of it.
const BROAD: usize = 3;

/// A model is made for what is seen when so many of its organs lie there, or so large a part of them
/// (one in so many): the lungs' tips in a model of the head and neck make it none for a chest.
const ENOUGH: usize = 5;
const ONE_IN: usize = 3;

/// How a model fits. The order is that of a list: what is suggested first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is for this study: why.
    Suggested(String),
    /// It can run: what there is to know, empty where nothing.
    Possible(String),
    /// It can run, but nothing good will come of it: why.
    Doubtful(String),
    /// It cannot run on this study: why.
    Unfit(String),
}

impl Fit {
    /// Its reason; may be empty.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Suggested(why) | Self::Possible(why) | Self::Doubtful(why) | Self::Unfit(why) => why,
        }
    }

    /// Its place in the list, smaller first.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Suggested(_) => 0,
            Self::Possible(_) => 1,
            Self::Doubtful(_) => 2,
            Self::Unfit(_) => 3,
        }
    }
}

/// How a model fits a study.
#[must_use]
pub fn fit(model: ModelFacts<'_>, study: StudyFacts<'_>) -> Fit {
    // An image without a modality (NIfTI) is taken by its values.
    let is_any = model.modalities.iter().all(String::is_empty) || model.modalities.contains(&String::new());
    let told = !matches!(study.modality, Modality::Other(_)) && !is_any;
    if told && !model.modalities.iter().any(|own| own == study.modality.code()) {
        let own: Vec<&str> = model.modalities.iter().map(|code| word(code)).collect();
        return Fit::Unfit(format!(
            "For {}; this series is {}.",
            own.join(" and "),
            word(study.modality.code())
        ));
    }
    if !model.any_values && !study.is_hu {
        return Fit::Unfit("For CT in Hounsfield units; this series has other values.".to_owned());
    }
    if let Some(lacks) = model.lacks {
        return Fit::Unfit(format!("Needs {lacks}, which is not on this machine."));
    }
    match (model.synthetic, study.synthetic) {
        (true, true) => return Fit::Suggested("Made for the sample patient.".to_owned()),
        (true, false) => {
            return Fit::Doubtful("Knows only the sample patient; means nothing on a person.".to_owned());
        }
        _ => {}
    }
    // Of several channels the series of each is chosen by its name.
    if let ([name], false) = (model.channels, matches!(study.modality, Modality::Other(_)))
        && let Some(why) = against(name, study.description)
    {
        return Fit::Doubtful(format!("For {name}; this series {why}."));
    }
    let regions = match model.regions {
        [] => BodyRegion::of_organs(model.organs.iter().map(String::as_str)),
        own => own.to_vec(),
    };
    let (list, image) = (BodyRegion::list, word(study.modality.code()));
    // Which parts of the body are seen can be told of CT alone. In other images a model for most of the
    // body finds something wherever they are.
    if study.regions.is_empty() && told && !study.is_hu && regions.len() >= BROAD && !model.is_for_findings {
        return Fit::Suggested(format!("For {}, in any {image}.", list(&regions)));
    }
    if study.regions.is_empty() || regions.is_empty() {
        return Fit::Possible(String::new());
    }
    let both: Vec<BodyRegion> =
        regions.iter().copied().filter(|region| study.regions.contains(region)).collect();
    match both.as_slice() {
        [] => Fit::Doubtful(format!("For {}; this {image} shows {}.", list(&regions), list(study.regions))),
        _ if model.regions.is_empty() && !is_made_for(model.organs, study.regions) => {
            let elsewhere: Vec<BodyRegion> =
                regions.iter().copied().filter(|region| !study.regions.contains(region)).collect();
            let shown = list(study.regions);
            Fit::Doubtful(format!("Mostly for {}; this {image} shows {shown}.", list(&elsewhere)))
        }
        // Whether there is something to find, the person knows.
        both if model.is_for_findings => {
            Fit::Possible(format!("For findings in {}, seen in this {image}.", list(both)))
        }
        both => Fit::Suggested(format!("For {}, seen in this {image}.", list(both))),
    }
}

/// Whether enough of a model's organs lie in what is seen.
fn is_made_for(organs: &[String], seen: &[BodyRegion]) -> bool {
    let (inside, known) = BodyRegion::count_in(seen, organs.iter().map(String::as_str));
    inside >= ENOUGH || inside * ONE_IN >= known
}

/// A modality for reading.
fn word(code: &str) -> &str {
    match code {
        "PT" => "PET",
        "" => "image",
        "CT" | "MR" => code,
        _ => "image",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::regions::seen_regions;
    use crate::patient::Volume;
    use crate::progress::Progress;
    use std::path::{Path, PathBuf};

    fn organs(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn study(modality: &Modality) -> StudyFacts<'_> {
        let regions = &[BodyRegion::Head, BodyRegion::Neck];
        StudyFacts { modality, description: "", is_hu: *modality == Modality::Ct, synthetic: false, regions }
    }

    fn model<'a>(modalities: &'a [String], organs: &'a [String]) -> ModelFacts<'a> {
        ModelFacts {
            modalities,
            channels: &[],
            organs,
            regions: &[],
            is_for_findings: false,
            synthetic: false,
            any_values: false,
            lacks: None,
        }
    }

    #[test]
    fn any_channel_may_be_the_open_series() {
        let (organs, pet_ct, mr) = (organs(&["Larynx"]), organs(&["PT", "CT"]), organs(&["MR", ""]));
        let ct = study(&Modality::Ct);
        assert_eq!(fit(model(&pet_ct, &organs), ct).rank(), 0, "its second channel");
        let on_mr = StudyFacts { is_hu: true, ..study(&Modality::Mr) };
        assert_eq!(
            fit(model(&pet_ct, &organs), on_mr),
            Fit::Unfit("For PET and CT; this series is MR.".into())
        );
        assert_eq!(fit(model(&mr, &organs), ct).rank(), 0, "a channel that does not tell");
    }

    #[test]
    fn a_series_that_contradicts_the_only_channel_is_doubtful() {
        let (two, mr, t1) = (organs(&["T1", "T2"]), organs(&["MR"]), organs(&["T1"]));
        let organs = organs(&["Larynx"]);
        let own = ModelFacts { channels: &t1, any_values: true, ..model(&mr, &organs) };
        let on = |description| fit(own, StudyFacts { description, ..study(&Modality::Mr) });
        assert_eq!(on("t1 post gd"), Fit::Doubtful("For T1; this series is after contrast.".into()));
        assert_eq!(on("T2 tse"), Fit::Doubtful("For T1; this series is T2.".into()));
        assert_eq!([on("t1_tse").rank(), on("series 3").rank()], [0, 0]);
        let several = ModelFacts { channels: &two, ..own };
        assert_eq!(fit(several, StudyFacts { description: "T2 tse", ..study(&Modality::Mr) }).rank(), 0);
    }

    #[test]
    fn a_model_without_the_one_it_needs_cannot_run() {
        let (organs, ct) = (organs(&["Larynx"]), organs(&["CT"]));
        let alone = ModelFacts { lacks: Some("Coarse"), ..model(&ct, &organs) };
        let fit = fit(alone, study(&Modality::Ct));
        assert_eq!(fit, Fit::Unfit("Needs Coarse, which is not on this machine.".into()));
    }

    #[test]
    fn the_region_seen_and_the_modality_decide() {
        let head = organs(&["Brainstem", "Parotid_L", "Larynx"]);
        let trunk = organs(&["Bladder", "Rectum", "Prostate"]);
        let (for_ct, for_mr, for_any) = (organs(&["CT"]), organs(&["MR"]), organs(&[""]));
        let ct = study(&Modality::Ct);
        assert_eq!(
            fit(model(&for_ct, &head), ct),
            Fit::Suggested("For head and neck, seen in this CT.".into())
        );
        let doubtful = fit(model(&for_ct, &trunk), ct);
        assert_eq!(doubtful, Fit::Doubtful("For pelvis; this CT shows head and neck.".into()));
        assert_eq!(fit(model(&for_mr, &head), ct), Fit::Unfit("For MR; this series is CT.".into()));
        assert_eq!(
            fit(model(&for_ct, &head), StudyFacts { regions: &[], ..ct }),
            Fit::Possible(String::new())
        );
        assert_eq!(fit(model(&for_ct, &organs(&["thing"])), ct), Fit::Possible(String::new()));
        let unknown = Modality::Other("OT".into());
        assert_eq!(fit(model(&for_ct, &head), study(&unknown)).rank(), 3, "values without a unit");
        let any = ModelFacts { any_values: true, ..model(&for_any, &head) };
        assert_eq!(fit(any, study(&Modality::Mr)).rank(), 0);
        let sample = ModelFacts { synthetic: true, ..model(&for_ct, &head) };
        assert_eq!(fit(sample, ct).rank(), 2);
        assert_eq!(fit(sample, StudyFacts { synthetic: true, ..ct }).rank(), 0);
    }

    #[test]
    fn a_model_of_the_head_and_neck_is_none_for_a_chest_because_it_draws_lungs() {
        let names = [
            "Brainstem",
            "SpinalCord",
            "Parotid_R",
            "Parotid_L",
            "Esophagus",
            "Larynx",
            "Bone_Mandible",
            "Brain",
            "Eye_L",
            "Eye_R",
            "Glnd_Submand_L",
            "Glnd_Submand_R",
            "Lung_L",
            "Lung_R",
            "SpinalCanal",
        ];
        let (head_neck, for_ct) = (organs(&names), organs(&["CT"]));
        let on = |regions| fit(model(&for_ct, &head_neck), StudyFacts { regions, ..study(&Modality::Ct) });
        let chest = on(&[BodyRegion::Chest, BodyRegion::Abdomen]);
        assert_eq!(chest, Fit::Doubtful("Mostly for head and neck; this CT shows chest and abdomen.".into()));
        assert_eq!(on(&[BodyRegion::Neck, BodyRegion::Chest]).rank(), 0);
        // A model of the whole trunk is one for a pelvis, too.
        let mut trunk = organs(&["Bladder", "Rectum", "Prostate", "SeminalVes", "Bone_Pelvic"]);
        trunk.extend(organs(&["Heart", "Esophagus", "Trachea", "Lung_L", "Lung_R", "Liver", "Spleen"]));
        trunk.extend(organs(&["Kidney_L", "Kidney_R", "Stomach", "Pancreas", "Gallbladder", "Duodenum"]));
        let pelvis = StudyFacts { regions: &[BodyRegion::Pelvis], ..study(&Modality::Ct) };
        assert_eq!(fit(model(&for_ct, &trunk), pelvis).rank(), 0);
    }

    #[test]
    fn the_regions_that_a_model_tells_count_before_its_organs() {
        let (segments, ct) = (organs(&["Liver_Seg1", "Liver_Seg2"]), organs(&["CT"]));
        let own = ModelFacts { regions: &[BodyRegion::Abdomen], ..model(&ct, &segments) };
        let abdomen = StudyFacts { regions: &[BodyRegion::Abdomen], ..study(&Modality::Ct) };
        assert_eq!(fit(model(&ct, &segments), abdomen), Fit::Possible(String::new()), "no known organs");
        assert_eq!(fit(own, abdomen), Fit::Suggested("For abdomen, seen in this CT.".into()));
        let head = fit(own, study(&Modality::Ct));
        assert_eq!(head, Fit::Doubtful("For abdomen; this CT shows head and neck.".into()));
    }

    #[test]
    fn what_looks_for_findings_is_possible_and_never_suggested() {
        let (cysts, ct) = (organs(&["Kidney_Cyst_L", "Kidney_Cyst_R"]), organs(&["CT"]));
        let regions = &[BodyRegion::Abdomen];
        let own = ModelFacts { regions, is_for_findings: true, ..model(&ct, &cysts) };
        let abdomen = StudyFacts { regions, ..study(&Modality::Ct) };
        assert_eq!(fit(own, abdomen), Fit::Possible("For findings in abdomen, seen in this CT.".into()));
        assert_eq!(fit(own, study(&Modality::Ct)).rank(), 2);
        let mr = organs(&["MR"]);
        let on_mr = StudyFacts { regions: &[], ..study(&Modality::Mr) };
        let all = ModelFacts { modalities: &mr, regions: &BodyRegion::ALL, any_values: true, ..own };
        assert_eq!(fit(all, on_mr), Fit::Possible(String::new()));
    }

    #[test]
    fn on_mr_whose_parts_nobody_tells_a_model_for_most_of_the_body_is_suggested() {
        let trunk =
            organs(&["Lung_L", "Lung_R", "Heart", "Liver", "Spleen", "Kidney_L", "Bladder", "Prostate"]);
        let (mr, liver) = (organs(&["MR"]), organs(&["Liver"]));
        let on_mr = StudyFacts { regions: &[], ..study(&Modality::Mr) };
        let of = |organs| ModelFacts { any_values: true, ..model(&mr, organs) };
        assert_eq!(
            fit(of(&trunk), on_mr),
            Fit::Suggested("For chest, abdomen and pelvis, in any MR.".into())
        );
        assert_eq!(fit(of(&liver), on_mr), Fit::Possible(String::new()), "an abdomen may not be there");
        // The parts of a CT are looked at; until then nothing is known.
        let ct = organs(&["CT"]);
        let on_ct = StudyFacts { regions: &[], ..study(&Modality::Ct) };
        assert_eq!(fit(model(&ct, &trunk), on_ct), Fit::Possible(String::new()));
        // An image that does not tell what it is.
        let unknown = Modality::Other("OT".into());
        assert_eq!(fit(of(&trunk), StudyFacts { regions: &[], ..study(&unknown) }).rank(), 1);
    }

    fn data(part: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(part);
        if !path.exists() {
            println!("skipped: no {}", path.display());
        }
        path.exists().then_some(path)
    }

    fn regions(volume: &Volume) -> Vec<BodyRegion> {
        seen_regions(volume, &Progress::new()).unwrap().regions
    }

    #[test]
    fn real_scans_show_what_they_show() {
        use BodyRegion::{Abdomen, Chest, Head, Neck, Pelvis};
        let seen = |part: &str| {
            let study = crate::session::study::Study::open(&[data(part)?], None, &Progress::new()).unwrap();
            Some(regions(&study.series.volume))
        };
        for (part, expected) in [
            ("abdomen/ct.nii.gz", vec![Abdomen, Pelvis]),
            ("chest/CT", vec![Chest, Abdomen]),
            ("head-neck/valid/pt_202/ct.nii.gz", vec![Head, Neck]),
            ("head-neck/valid/pt_211/ct.nii.gz", vec![Head, Neck, Chest]),
            ("head-neck/valid/pt_214/ct.nii.gz", vec![Head, Neck, Chest]),
            ("sarcoma-pet-mr/STS_011/CT", vec![BodyRegion::Legs]),
        ] {
            if let Some(regions) = seen(part) {
                assert_eq!(regions, expected, "{part}");
            }
        }
    }

    #[test]
    fn the_sample_patient_shows_the_trunk() {
        let sampling = crate::phantom::Sampling { pixels: 128, slice_mm: 10.0 };
        let patient = crate::phantom::build_sampled(1, sampling, &Progress::new()).unwrap();
        let regions = regions(&patient.series.volume);
        for region in [BodyRegion::Head, BodyRegion::Chest, BodyRegion::Abdomen, BodyRegion::Pelvis] {
            assert!(regions.contains(&region), "{region:?} is not in {regions:?}");
        }
    }
}
