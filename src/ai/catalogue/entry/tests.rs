use super::*;
use crate::patient::tells_body_side;
use std::collections::{BTreeSet, HashSet};

/// Names that TG-263 lacks, after its style: stem, and the sides there are.
const NOT_IN_THE_STANDARD: &[&str] = &[
    "AtrialAppend_L",
    "V_Portal_Splenic",
    "Sternum",
    "Cartlg_Costal",
    "Larynx_Air",
    "Heart_Myocard",
    "Kidney_Cyst",
    "Musc_GlutMax",
    "Musc_GlutMed",
    "Musc_GlutMin",
    "Musc_BackDeep",
    "Musc_Iliopsoas",
    "Cavity_Nasal",
    "Canal_Auditory",
    "Arch_Zygomatic",
    "Proc_Styloid",
    "A_Carotid_Int",
    "Musc_Trapezius",
    "Musc_LevScap",
    "Musc_ScalAnt",
    "Musc_ScalMid",
    "Musc_ScalPost",
    "Musc_SternThyr",
    "Musc_Thyrohyd",
    "Musc_Prevert",
    "Rectus_Lat",
    "Rectus_Med",
    "Rectus_Sup",
    "Rectus_Inf",
    "Oblique_Sup",
    "Oblique_Inf",
    "Levator_Palp",
    "Teeth_Lower",
    "Teeth_Upper",
    "Head",
    "Canal_Alveolar",
    "Canal_Incisive",
    "Canal_Lingual",
    "Bridge_Dental",
    "Crown_Dental",
    "Implant_Dental",
    "Horn_Frontal",
    "Horn_Occipital",
    "Horn_Temporal",
    "Vent_Body",
    "Vent_Trigone",
    "Vent_Third",
    "Vent_Fourth",
    "IntervertDiscs",
    "Body_Trunk",
    "Body_Limbs",
    "Cavity_Abdomen",
    "Cavity_Thorax",
    "Airways",
    "Airways_Wall",
    "A_Pulmonary_Lung",
    "V_Pulmonary_Lung",
    "Musc_PectMajor",
    "Musc_RectAbdom",
    "Musc_SerrAnt",
    "Musc_LatDorsi",
    "Musc_OblExt",
    "Musc_OblInt",
    "Musc_ErectSpin",
    "Musc_TransSpin",
    "Musc_Psoas",
    "Musc_QuadLumb",
    "Liver_Seg1",
    "Liver_Seg2",
    "Liver_Seg3",
    "Liver_Seg4",
    "Liver_Seg5",
    "Liver_Seg6",
    "Liver_Seg7",
    "Liver_Seg8",
    "Liver_Vessels",
    "Liver_Tumor",
    "Liver_Lesions",
    "Lung_Nodules",
    "Effusion_Pleural",
    "Effusion_Pericrd",
    "Hemorrhage_Brain",
    "VB_L6",
    "Brain_StemRest",
    "Bones_Carpal",
    "Bones_Metacarpal",
    "Bones_Metatarsal",
    "Bones_Tarsal",
    "Capsule_Internal",
    "Nucl_Caudate",
    "Cusp_Coronary",
    "Cusp_NonCoronary",
    "Face",
    "Fat_Intermusc",
    "Fat_Subcutaneous",
    "Fat_Torso",
    "Insula",
    "LVOT",
    "Nucl_Lentiform",
    "Musc_Coracobrac",
    "Musc_Deltoid",
    "Musc_Infraspin",
    "Musc_PectMinor",
    "Musc_QuadFem",
    "Musc_Sartorius",
    "Musc_Skeletal",
    "Musc_Subscap",
    "Musc_Supraspin",
    "Musc_TeresMajor",
    "Musc_ThighMed",
    "Musc_ThighPost",
    "Musc_TricepsBrac",
    "Patella",
    "Phalanges_Foot",
    "Phalanges_Hand",
    "Radius",
    "Septum_Pelluc",
    "Sinus_Venous",
    "Spc_Subarachnoid",
    "Sulcus_Central",
    "Thalamus",
    "Tibia",
    "Ulna",
];

/// A tooth or its pulp, by its FDI number.
fn is_tooth(name: &str) -> bool {
    let number = name.strip_prefix("Tooth_").map(|rest| rest.strip_suffix("_Pulp").unwrap_or(rest));
    number.is_some_and(|fdi| {
        matches!(fdi.as_bytes(), [quadrant, tooth] if (b'1'..=b'4').contains(quadrant)
            && (b'1'..=b'8').contains(tooth))
    })
}

#[test]
fn a_tooth_s_number_names_the_side_and_jaw_that_its_publisher_and_its_code_name() {
    let teeth = &entry("teeth").unwrap().organs;
    let numbered: Vec<&Organ> = teeth.iter().filter(|organ| is_tooth(&organ.name)).collect();
    assert_eq!((teeth.len(), numbered.len()), (77, 64));
    for organ in numbered {
        let (quadrant, tooth) = (&organ.name[6..7], &organ.name[7..8]);
        let (jaw, bone) =
            if matches!(quadrant, "1" | "2") { ("upper", "Maxillary") } else { ("lower", "Mandibular") };
        let side = if matches!(quadrant, "1" | "4") { "right" } else { "left" };
        let kind = match tooth {
            "1" => "central incisor",
            "2" => "lateral incisor",
            "3" => "canine",
            "4" => "first premolar",
            "5" => "second premolar",
            "6" => "first molar",
            "7" => "second molar",
            _ => "third molar",
        };
        assert_eq!(organ.code.meaning, format!("{bone} {side} {kind} tooth"), "{}", organ.name);
        let place = format!("{jaw}_{side}_{}_", kind.replace(' ', "_"));
        assert!(organ.source_name.starts_with(&place), "{}", organ.source_name);
        let number = if organ.name.ends_with("_Pulp") { "pulp_fdi1" } else { "fdi" };
        assert_eq!(organ.source_name[place.len()..], format!("{number}{quadrant}{tooth}"));
    }
    // The codes of teeth are different, those of pulps are their teeth's.
    let codes: HashSet<&str> =
        teeth.iter().filter(|o| is_tooth(&o.name)).map(|o| o.code.value.as_str()).collect();
    assert_eq!(codes.len(), 32);
}

#[test]
fn every_organ_has_a_name_a_type_a_colour_and_a_code() {
    let standard: HashSet<&str> = include_str!("../../../../assets/tg263.csv")
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    // A name of the standard for which its table has no code.
    let uncoded = |name: &str| name == "Prosthesis";
    for entry in entries() {
        let mut names = HashSet::new();
        let mut colors = HashSet::new();
        for (number, organ) in (1..).zip(&entry.organs) {
            let what = format!("{}: {}", entry.id, organ.source_name);
            assert_eq!(organ.value, number, "{what}");
            assert!(names.insert(&organ.name), "{what}: the name {} is there twice", organ.name);
            assert!(colors.insert(organ.color), "{what}: the colour is there twice");
            let stem = organ.name.strip_suffix("_L").or(organ.name.strip_suffix("_R"));
            let listed = NOT_IN_THE_STANDARD
                .iter()
                .any(|own| *own == organ.name || (stem == Some(*own) && !own.ends_with("_L")))
                || is_tooth(&organ.name);
            assert_ne!(standard.contains(organ.name.as_str()), listed, "{what}: {}", organ.name);
            let coded = standard.contains(organ.name.as_str()) && !uncoded(&organ.name);
            assert_eq!(organ.standard, coded, "{what}");
            assert!(organ.name.len() <= 16, "{what}: {}", organ.name);
            let term = organ.roi_type.term();
            assert!(["ORGAN", "CAVITY"].contains(&term), "{what}: {term}");
            let AnatomicCode { scheme, value, meaning } = &organ.code;
            assert!(["FMA", "SCT"].contains(&scheme.as_str()), "{what}: {scheme}");
            assert!(value.len() <= 16 && value.bytes().all(|byte| byte.is_ascii_digit()), "{what}");
            assert!((1..=64).contains(&meaning.len()), "{what}: {meaning}");
            // The sides of name, publisher's name and code agree.
            for (end, word) in [("_L", "left"), ("_R", "right")] {
                let other = if word == "left" { "right" } else { "left" };
                if organ.name.ends_with(end) {
                    assert!(organ.source_name.contains(word), "{what}: {}", organ.name);
                    assert!(!meaning.to_lowercase().contains(other), "{what}: {meaning}");
                }
            }
        }
    }
}

#[test]
fn of_all_names_with_a_side_the_heart_s_alone_tell_none_of_the_body() {
    let names: BTreeSet<&str> =
        entries().iter().flat_map(|entry| &entry.organs).map(|organ| organ.name.as_str()).collect();
    let sided = names.iter().filter(|name| name.ends_with("_L") || name.ends_with("_R"));
    let (body, heart): (Vec<&str>, Vec<&str>) = sided.copied().partition(|name| tells_body_side(name));
    assert_eq!(
        heart,
        [
            "AtrialAppend_L",
            "Atrium_L",
            "Atrium_R",
            "Cusp_Coronary_L",
            "Cusp_Coronary_R",
            "Ventricle_L",
            "Ventricle_R",
        ]
    );
    // What the publisher says is of the heart or its root is among them, and nothing else of it.
    let is_cardiac = |organ: &&Organ| {
        ["heart_", "atrial_", "coronary_cusp"].iter().any(|part| organ.source_name.contains(part))
    };
    for organ in entries().iter().flat_map(|entry| &entry.organs).filter(is_cardiac) {
        assert!(!body.contains(&organ.name.as_str()), "{}", organ.source_name);
    }
}

#[test]
fn a_snomed_code_has_its_check_digit() {
    // Verhoeff's dihedral check (SNOMED CT's release file specification, appendix on check digits).
    let is_valid = |text: &str| {
        let mut check = 0_usize;
        for (place, byte) in text.bytes().rev().enumerate() {
            let mut digit = usize::from(byte - b'0');
            for _ in 0..place % 8 {
                digit = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4][digit];
            }
            check = match (check < 5, digit < 5) {
                (true, true) => (check + digit) % 5,
                (true, false) => (check + digit - 5) % 5 + 5,
                (false, true) => (check - 5 + 5 - digit) % 5 + 5,
                (false, false) => (check + 5 - digit) % 5,
            };
        }
        check == 0
    };
    assert!(is_valid("74281007") && !is_valid("74281008"));
    for organ in entries().iter().flat_map(|entry| &entry.organs) {
        assert!(organ.code.scheme != "SCT" || is_valid(&organ.code.value), "{:?}", organ.code);
    }
}

/// Task, first data set and number of classes shown, as TotalSegmentator's tables have them; the crop
/// model, where it has one.
const PUBLISHED: &[(&str, &str, usize, Option<&str>)] = &[
    ("total", "Dataset291", 117, None),
    ("total_fast", "Dataset297", 117, None),
    ("total_fastest", "Dataset298", 117, None),
    ("total_v3_fast", "Dataset836", 117, None),
    ("head_glands_cavities", "Dataset775", 19, Some("total_fastest")),
    ("headneck_bones_vessels", "Dataset776", 12, Some("total_fastest")),
    ("head_muscles", "Dataset777", 11, Some("total_fastest")),
    ("headneck_muscles", "Dataset778", 23, Some("total_fastest")),
    ("craniofacial_structures", "Dataset115", 7, Some("total_fastest")),
    ("teeth", "Dataset113", 77, Some("craniofacial_structures")),
    ("oculomotor_muscles", "Dataset351", 19, Some("total_fastest")),
    ("ventricle_parts", "Dataset552", 12, Some("total_fastest")),
    ("breasts", "Dataset527", 1, None),
    ("liver_segments", "Dataset570", 8, Some("total_fastest")),
    ("trunk_cavities", "Dataset343", 4, None),
    ("lung_vessels", "Dataset117", 4, Some("total_fast")),
    ("abdominal_muscles", "Dataset952", 22, Some("body_regions_fast")),
    ("vertebrae_body", "Dataset305", 2, None),
    ("body_regions", "Dataset299", 2, None),
    ("body_regions_fast", "Dataset300", 2, None),
    ("liver_vessels", "Dataset008", 2, Some("total_fastest")),
    ("liver_lesions", "Dataset591", 1, Some("total_fast")),
    ("kidney_cysts", "Dataset789", 2, Some("total_fastest")),
    ("lung_nodules", "Dataset913", 2, Some("total_fastest")),
    ("pleural_pericard_effusion", "Dataset315", 2, Some("total_fastest")),
    ("cerebral_bleed", "Dataset150", 1, Some("total_fastest")),
    ("hip_implant", "Dataset260", 1, Some("total_fastest")),
    ("total_mr", "Dataset850", 50, None),
    ("total_mr_fast", "Dataset852", 50, None),
    ("vertebrae_mr", "Dataset756", 25, None),
    ("liver_segments_mr", "Dataset576", 8, Some("total_mr_fast")),
    ("body_regions_mr", "Dataset597", 2, None),
    ("liver_lesions_mr", "Dataset589", 1, Some("total_mr_fast")),
    ("heartchambers_highres", "Dataset301", 7, Some("total_fast")),
    ("coronary_arteries", "Dataset509", 1, Some("total_fastest")),
    ("aortic_sinuses", "Dataset920", 4, Some("total_fastest")),
    ("brain_structures", "Dataset409", 16, Some("total_fastest")),
    ("face", "Dataset303", 1, None),
    ("face_mr", "Dataset856", 1, None),
    ("appendicular_bones", "Dataset304", 11, None),
    ("appendicular_bones_mr", "Dataset855", 8, None),
    ("thigh_shoulder_muscles", "Dataset857", 18, None),
    ("thigh_shoulder_muscles_mr", "Dataset857", 18, None),
    ("tissue_types", "Dataset481", 3, None),
    ("tissue_4_types", "Dataset485", 4, None),
    ("tissue_types_mr", "Dataset925", 3, None),
];

#[test]
fn tasks_data_sets_and_regions_are_the_published_ones() {
    let own = |entry: &'static Entry| {
        let set = entry.files[0].name.split_once('_').unwrap().0;
        (entry.id.as_str(), set, entry.organs.len(), entry.crop().map(|crop| crop.model.as_str()))
    };
    assert_eq!(entries().iter().map(own).collect::<Vec<_>>(), PUBLISHED);
    for own in entries() {
        // What its program keeps around its own coarse models, whatever the table of tasks says; of
        // another model the table's.
        let kept_mm = if own.id == "teeth" { 10.0 } else { 20.0 };
        assert!(own.crop().is_none_or(|crop| (crop.margin_mm - kept_mm).abs() < 1e-9), "{}", own.id);
        let is_mr = own.modality == "MR";
        assert_eq!(is_mr, own.id.contains("_mr"), "{}", own.id);
        assert!(is_mr || own.modality == "CT");
        // An MR image's values are no Hounsfield units.
        assert!(!is_mr || own.run.empty_below_hu.is_none(), "{}", own.id);
        let step = if own.id == "total" { 0.8 } else { 0.5 };
        assert_eq!(own.run.step, Some(step), "{}", own.id);
    }
    let spacing = |id: &str| entry(id).unwrap().run.spacing_mm;
    // The slices of the brain are the thick ones.
    assert_eq!(spacing("ventricle_parts"), Some([1.0, 0.434_570_312_5, 0.438_476_562_5]));
    assert_eq!(spacing("liver_segments_mr"), Some([3.0, 1.1875, 1.125_000_178_813_934_3]));
    for id in ["liver_vessels", "cerebral_bleed", "hip_implant", "heartchambers_highres"] {
        assert_eq!(spacing(id), None, "{id}: at the image's own resolution");
    }
    let within = entry("heartchambers_highres").unwrap().crop().unwrap().within.as_ref().unwrap();
    assert_eq!((within.organs.len(), within.margin_mm), (3, 10.0));
    for id in ["body_regions", "body_regions_fast"] {
        let run = &entry(id).unwrap().run;
        assert_eq!(run.largest_piece, ["Body_Trunk"]);
        assert_eq!(run.least_piece_cc.get("Body_Limbs"), Some(&50.0));
    }
}

#[test]
fn classes_that_only_helped_the_training_have_no_value() {
    let values = |id: &str| entry(id).unwrap().files[0].values.clone();
    assert_eq!(values("kidney_cysts"), [1, 2, 0, 0]);
    assert_eq!(values("pleural_pericard_effusion"), [0, 1, 2]);
    assert_eq!(values("lung_nodules"), [1, 2]);
    assert_eq!(values("appendicular_bones"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0, 0, 0]);
    assert_eq!(values("face_mr"), [1, 0, 0]);
    for own in entries() {
        let shown: Vec<u16> =
            own.files.iter().flat_map(|file| &file.values).copied().filter(|value| *value != 0).collect();
        assert_eq!(shown, own.organs.iter().map(|organ| organ.value).collect::<Vec<_>>(), "{}", own.id);
        for file in &own.files {
            assert_eq!(file.values.len(), file.classes.len(), "{}", file.name);
        }
    }
}

#[test]
fn the_parts_of_total_mr_have_the_numbers_of_the_whole_task() {
    let [parts, fast] = ["total_mr", "total_mr_fast"].map(|id| entry(id).unwrap());
    assert_eq!(parts.organs, fast.organs);
    assert_eq!(parts.files.iter().map(|file| file.classes.len()).collect::<Vec<_>>(), [29, 21]);
    let value = |name: &str| parts.organs.iter().find(|organ| organ.source_name == name).unwrap().value;
    for (name, number) in [("spleen", 1), ("vertebrae", 19), ("heart", 22), ("humerus_left", 30)] {
        assert_eq!(value(name), number, "{name}");
    }
    assert_eq!((value("iliopsoas_right"), value("brain")), (49, 50));
}

#[test]
fn what_models_are_for_is_told_and_the_region_s_finders_are_for_nothing_else() {
    let of = |wanted: Purpose| -> Vec<&str> {
        entries().iter().filter(|own| own.purpose == wanted).map(|own| own.id.as_str()).collect()
    };
    assert_eq!(of(Purpose::Region), ["total_fastest", "body_regions_fast"]);
    assert!(
        ["total", "total_fast", "total_mr", "total_mr_fast"]
            .iter()
            .all(|id| of(Purpose::Organs).contains(id))
    );
    assert_eq!(
        of(Purpose::Findings),
        [
            "liver_vessels",
            "liver_lesions",
            "kidney_cysts",
            "lung_nodules",
            "pleural_pericard_effusion",
            "cerebral_bleed",
            "hip_implant",
            "liver_lesions_mr",
        ]
    );
    assert!(Purpose::Organs < Purpose::Details && Purpose::Details < Purpose::Findings);
    for own in entries() {
        let mut sorted = own.regions.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, own.regions, "{}: from the head down, each once", own.id);
        let told = BodyRegion::of_organs(own.organs.iter().map(|organ| organ.name.as_str()));
        assert!(!own.regions.is_empty() || !told.is_empty(), "{}: for no part of the body", own.id);
        // What is got without a question brings nothing that should be asked about.
        let is_plain = |needed: &&Entry| needed.license_warning.is_none();
        assert!(!is_plain(&own) || own.with_dependencies().iter().all(is_plain), "{}", own.id);
    }
}

/// What a publisher calls brainstem where other tissue of the brain is in it must not pass for the organ at risk.
#[test]
fn a_brainstem_with_other_tissue_does_not_have_its_name() {
    let organs = &entry("brain_structures").unwrap().organs;
    let own = organs.iter().find(|organ| organ.source_name == "brainstem").unwrap();
    assert!(own.name != "Brainstem" && own.ambiguous && own.code.meaning == "Brain");
    let ventricle = organs.iter().find(|organ| organ.source_name == "ventricle").unwrap();
    assert!(ventricle.ambiguous && ventricle.name == "Sys_Ventricular");
}

#[test]
fn the_models_are_whole() {
    let total = entry("total").unwrap();
    assert_eq!((total.organs.len(), total.files.len()), (117, 5));
    assert_eq!(total.run.spacing_mm, Some([1.5; 3]));
    let value = |name: &str| total.organs.iter().find(|organ| organ.source_name == name).unwrap().value;
    // The published numbers of the whole task.
    let numbers = [("spleen", 1), ("vertebrae_C1", 50), ("heart", 51), ("skull", 91), ("sternum", 116)];
    for (name, number) in numbers {
        assert_eq!(value(name), number, "{name}");
    }
    for fast in ["total_fast", "total_fastest"] {
        assert_eq!(entry(fast).unwrap().organs, total.organs);
    }
    // Its file holds two trainings; of its labels one is another's.
    let newer = entry("total_v3_fast").unwrap();
    assert_eq!(newer.plans.as_deref(), Some("nnUNetPlans"));
    let names = |own: &Entry| own.organs.iter().map(|organ| organ.name.clone()).collect::<Vec<_>>();
    let differing: Vec<(String, String)> =
        names(total).into_iter().zip(names(newer)).filter(|(one, other)| one != other).collect();
    assert_eq!(differing, [("VB_S1".to_owned(), "VB_L6".to_owned())]);
    assert_eq!(newer.organs[25].source_name, "vertebrae_L6");
    let teeth: Vec<&str> =
        entry("teeth").unwrap().with_dependencies().iter().map(|own| own.id.as_str()).collect();
    assert_eq!(teeth, ["total_fastest", "craniofacial_structures", "teeth"]);
    let mut ids = HashSet::new();
    for own in entries() {
        assert!(ids.insert(&own.id), "{} is there twice", own.id);
        for file in &own.files {
            assert_eq!(file.url.is_none(), own.needs_key, "{}", file.name);
            if let Some(url) = &file.url {
                assert!(url.starts_with("https://") && url.ends_with(&format!("/{}", file.name)), "{url}");
            }
            assert!(file.sha256.as_ref().is_none_or(|hash| hash.len() == 64));
        }
        assert!(!own.needs_key || own.license_warning.is_some());
        assert!(own.needs_key || own.license == "Apache-2.0", "{}", own.id);
        let names: Vec<&String> = own.organs.iter().map(|organ| &organ.name).collect();
        for name in own.run.largest_piece.iter().chain(own.run.least_piece_cc.keys()) {
            assert!(names.contains(&name), "{}: {name}", own.id);
        }
        if let Some(crop) = own.crop() {
            let coarse = entry(&crop.model).unwrap();
            for name in &crop.organs {
                assert!(coarse.organs.iter().any(|organ| organ.name == *name), "{name}");
            }
            for name in crop.within.iter().flat_map(|within| &within.organs) {
                assert!(coarse.organs.iter().any(|organ| organ.name == *name), "{name}");
            }
            assert_eq!(coarse.modality, own.modality, "{}", own.id);
            let needed: Vec<&str> = own.with_dependencies().iter().map(|own| own.id.as_str()).collect();
            assert!(needed.ends_with(&[crop.model.as_str(), own.id.as_str()]), "{needed:?}");
            assert!(entry(needed[0]).unwrap().crop().is_none(), "the first looks everywhere");
        }
    }
}
