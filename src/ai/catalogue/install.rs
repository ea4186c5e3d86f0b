//! Files of an entry made into its package.

use super::entry::{Entry, Organ, RemoteFile};
use super::fetch::{FetchError, Fetched, FetchedFile, Origin, download, forget};
use crate::ai::nnunet::composition::Composition;
use crate::ai::nnunet::import::{ImportError, write_composed};
use crate::ai::nnunet::package::{About, Origin as Recorded};
use crate::ai::nnunet::published;
use crate::ai::nnunet::unpack::unpack;
use crate::ai::package::{NOT_CLEARED, Provenance};
use crate::new_file::{NewFolder, WriteFileError};
use crate::progress::Progress;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Fetches the files of one entry and installs its package in `target`.
pub(super) fn install(
    entry: &Entry,
    origins: &[Origin],
    (target, force): (&Path, bool),
    fetched: &mut Fetched,
    progress: &Progress,
) -> Result<(), FetchError> {
    let count = entry.files.len();
    std::fs::create_dir_all(target)
        .map_err(|error| FetchError::Disk(WriteFileError::from_io(&error, target)))?;
    let mut files = Vec::new();
    let mut places = Vec::new();
    for (index, (file, origin)) in entry.files.iter().zip(origins).enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "few files")]
        let [from, to] = [index, index + 1].map(|n| 0.8 * n as f64 / count as f64);
        let progress = progress.part(from, to);
        let (place, source) = match origin {
            Origin::Url(url) => (download(file, url, target, &progress)?, url.clone()),
            Origin::Path(path) => (path.clone(), path.display().to_string()),
        };
        let checked = check(file, &place, source, &progress);
        if matches!((&checked, origin), (Err(FetchError::Checksum { .. }), Origin::Url(_))) {
            forget(target, &file.name);
        }
        let checked = checked?;
        if let Some(told) = file.bytes.filter(|told| checked.bytes != 0 && *told != checked.bytes) {
            let text = "the file has another size than others have reported";
            fetched.warnings.push(format!("{}: {text} ({} bytes, not {told})", file.name, checked.bytes));
        }
        files.push(checked);
        places.push(place);
    }
    let made = make(entry, &files, &places, (target, force), &mut fetched.warnings, &progress.part(0.8, 1.0));
    // What a full disk stopped can be gone on with, too: it is no fault of the files.
    let no_room =
        matches!(made, Err(FetchError::Import(ImportError::Unwritable { .. } | ImportError::NoRoom { .. })));
    let is_kept = no_room || matches!(made, Err(FetchError::Cancelled | FetchError::Disk(_)));
    for (file, origin) in entry.files.iter().zip(origins) {
        // Whole files that make no model are of no use either: the next fetch begins anew.
        if matches!(origin, Origin::Url(_)) && !is_kept {
            forget(target, &file.name);
        }
    }
    fetched.packages.push(made?);
    fetched.files.extend(files);
    Ok(())
}

/// The size and SHA-256 of a file, compared where its publisher tells one; a folder has none.
fn check(
    file: &RemoteFile,
    place: &Path,
    source: String,
    progress: &Progress,
) -> Result<FetchedFile, FetchError> {
    let mut checked =
        FetchedFile { name: file.name.clone(), source, bytes: 0, sha256: String::new(), verified: false };
    if place.is_dir() {
        return Ok(checked);
    }
    progress.set_step(format!("Checking {}", file.name));
    let unreadable = |error: std::io::Error| FetchError::Disk(WriteFileError::from_io(&error, place));
    let mut reader = File::open(place).map_err(unreadable)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        progress.check()?;
        let count = reader.read(&mut piece).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        checked.bytes += count as u64;
    }
    checked.sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(expected) = &file.sha256 {
        if !expected.eq_ignore_ascii_case(&checked.sha256) {
            return Err(FetchError::Checksum {
                found: checked.sha256,
                expected: expected.clone(),
                source_name: checked.source,
            });
        }
        checked.verified = true;
    }
    Ok(checked)
}

/// Where a file came from, as its package tells: of a path of this machine the name alone, for packages are
/// handed on.
fn passed_on(source: &str) -> String {
    let name = || Path::new(source).file_name().map(|name| name.to_string_lossy().into_owned());
    if source.contains("://") { source.to_owned() } else { name().unwrap_or_default() }
}

fn make(
    entry: &Entry,
    files: &[FetchedFile],
    places: &[std::path::PathBuf],
    (target, force): (&Path, bool),
    warnings: &mut Vec<String>,
    progress: &Progress,
) -> Result<crate::ai::ModelPackage, FetchError> {
    progress.set_step(format!("Installing {}", entry.title));
    // Folders go when this ends, after the weights were read from them.
    let mut unpacked = Vec::new();
    let mut parts = Vec::new();
    for (file, place) in entry.files.iter().zip(places) {
        let folder = if place.is_dir() {
            place.as_path()
        } else {
            unpacked.push(unpack(place, target, &progress.part(0.0, 0.3))?);
            unpacked.last().map_or(place.as_path(), NewFolder::path)
        };
        let (part, said) = published::part(
            folder,
            (entry.plans.as_deref(), &entry.configuration),
            &file.classes,
            &file.values,
        )?;
        warnings.extend(said.map(|said| format!("{}: {said}", file.name)));
        parts.push(part);
    }
    let recorded = files
        .iter()
        .map(|file| Recorded {
            file: file.name.clone(),
            source: passed_on(&file.source),
            sha256: file.sha256.clone(),
            verified: file.verified,
        })
        .collect();
    let about = About {
        id: entry.id.clone(),
        title: entry.title.clone(),
        version: entry.version.clone(),
        modality: entry.modality.clone(),
        license: entry.license.clone(),
        provenance: Provenance { data: entry.training_data.clone(), ..Provenance::default() },
        labels: entry.organs.iter().map(Organ::label).collect(),
    };
    let composition = Composition { parts, run: entry.run.clone() };
    let orientation = entry.orientation.as_deref();
    let progress = progress.part(0.3, 1.0);
    let told = (recorded, card(entry));
    Ok(write_composed(&composition, orientation, told, about, (target, force), &progress)?)
}

/// The card of a model that others publish, in Markdown: what the catalogue knows, and what nobody has seen
/// here.
#[must_use]
pub fn card(entry: &Entry) -> String {
    use std::fmt::Write;
    let mut text = format!("# {} (`{}` {})\n\n{NOT_CLEARED}\n\n", entry.title, entry.id, entry.version);
    if let Some(warning) = &entry.license_warning {
        let _ = write!(text, "**{warning}**\n\n");
    }
    let organs: Vec<&str> = entry.organs.iter().map(|organ| organ.name.as_str()).collect();
    let _ = write!(text, "## What it contours\n{}\n\n{}\n\n", entry.about, organs.join(", "));
    let _ = write!(text, "## Images\n{}", entry.modality);
    if let Some([z, y, x]) = entry.run.spacing_mm {
        let _ = write!(
            text,
            ", resampled to {z} x {y} x {x} mm (z, y, x) and the labels back to the image: nothing finer than \
             that is seen"
        );
    }
    text.push('.');
    if let Some(crop) = &entry.run.crop {
        let _ = write!(
            text,
            " It looks only at the region within {} mm of {}, which the model `{}` finds first: where that is \
             missing or cut off, so is everything here.",
            crop.margin_mm,
            crop.organs.join(", "),
            crop.model
        );
        if let Some(within) = &crop.within {
            let organs = within.organs.join(", ");
            let _ = write!(text, " What lies more than {} mm from {organs} is dropped.", within.margin_mm);
        }
    }
    if !entry.run.largest_piece.is_empty() {
        let _ = write!(text, " Of {} the largest piece is kept.", entry.run.largest_piece.join(", "));
    }
    for (name, cc) in &entry.run.least_piece_cc {
        let _ = write!(text, " Pieces of {name} of {cc} cc or less are dropped.");
    }
    let _ = write!(
        text,
        "\n\n## Results\nPublished by its authors: {} ({}). They were not measured again here. Left and right, \
         orientation and resampling are as in the published program.\n\n## Where it fails\nNot known here \
         beyond what its authors say. Suspect everything that its training data lack: children, implants, large \
         tumours and resections, images of other contrast or with a field of view that cuts the organ.\n\n\
         ## Verify it on your patients\nTake patients whose contours you trust and that it has not seen, let it \
         contour them (`delineo contour CT --model {} --out proposal.dcm`), and compare \
         (`delineo compare proposal.dcm yours.dcm --image CT`): Dice, surface distances and volumes, organ by organ, before \
         you rely on any.\n\n## Data and licence\n{}. Licence of the weights: {}.\n",
        entry.citation, entry.homepage, entry.id, entry.training_data, entry.license
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_tells_licence_region_and_source() {
        for entry in crate::ai::catalogue::entries() {
            let text = card(entry);
            assert!(text.starts_with(&format!("# {}", entry.title)));
            assert!(text.contains(&entry.license) && text.contains(&entry.citation));
            assert!(entry.license_warning.as_ref().is_none_or(|warning| text.contains(warning)));
            assert_eq!(text.contains("which the model"), entry.crop().is_some());
        }
        let text = |id: &str| card(crate::ai::catalogue::entry(id).unwrap());
        assert!(
            text("body_regions")
                .contains("Of Body_Trunk the largest piece is kept. Pieces of Body_Limbs of 50 cc")
        );
        assert!(text("heartchambers_highres").contains("more than 10 mm from Heart, A_Aorta, V_Venacava_I"));
    }
}
