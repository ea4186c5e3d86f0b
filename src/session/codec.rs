//! The journal's binary records: exact to the bit, compact where contours lie on the lattice.
//!
//! Numbers are LEB128 variable-length integers (signed ones zigzag), reals are the eight bytes of
//! an `f64`, texts are length and UTF-8. A ring whose coordinates are whole lattice steps (all
//! rings on axial planes) is stored as differences of those steps, two or three bytes each; any
//! other ring as its `f64` bits. Every record starts with the version it was written as, at most
//! [`VERSION`]; records of earlier versions are read as well.

use super::{Attribute, Change, Edit, Heading, PlaneEdit};
use crate::geometry::{LATTICE_MM, Plane, Point2, Polygon, Ring, Vector3};
use crate::patient::{
    AnatomicCode, Approval, Confidence, Density, Derivation, GenerationAlgorithm, GeometricType, Guide,
    ImageInstance, PatientInfo, Roi, RoiId, RoiPlane, RoiType, SourceContour, StructureSet,
};
use std::sync::Arc;

mod guides;

/// The version of the records' format. 1 had no confidence of ROIs and planes, 2 no codes,
/// 3 no derivations and densities, 4 electron densities only and no exclusive ROIs, 5 no guides.
const VERSION: u64 = 6;
/// The first version with the confidence of ROIs and planes.
const WITH_CONFIDENCE: u64 = 2;
/// The first version with the codes of ROIs.
const WITH_CODE: u64 = 3;
/// The first version with the derivations and densities of ROIs.
const WITH_DERIVATION: u64 = 4;
/// The first version with mass densities and exclusive ROIs.
const WITH_EXCLUSIVE: u64 = 5;
/// The first version with the guides of ROIs.
const WITH_GUIDES: u64 = 6;

/// A record that this program did not write, or that was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the journal is damaged or of a newer version")]
pub struct DamagedRecord;

type Read<T> = Result<T, DamagedRecord>;

/// The record of an edit.
pub(super) fn encode_edit(edit: &Edit) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(VERSION);
    w.text(&edit.name);
    w.list(&edit.changes, Writer::change);
    w.bytes
}

/// The edit of a record.
pub(super) fn decode_edit(bytes: &[u8]) -> Read<Edit> {
    let mut r = Reader { bytes, version: VERSION };
    r.version()?;
    let edit = Edit { name: r.text()?, changes: r.list(Reader::change)? };
    r.end()?;
    Ok(edit)
}

/// The record of a structure set.
pub(super) fn encode_set(set: &StructureSet) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(VERSION);
    w.heading(&Heading::of(set));
    w.list(&set.rois, |w, roi| w.roi(roi));
    w.bytes
}

/// The structure set of a record.
pub(super) fn decode_set(bytes: &[u8]) -> Read<StructureSet> {
    let mut r = Reader { bytes, version: VERSION };
    r.version()?;
    let Heading { label, patient, frame_of_reference_uid, series_uid, sop_instance_uid } = r.heading()?;
    let rois = r.list(|r| r.roi().map(Arc::new))?;
    r.end()?;
    Ok(StructureSet { label, patient, frame_of_reference_uid, series_uid, sop_instance_uid, rois })
}

/// The record of some ROI identities.
pub(super) fn encode_ids(ids: &[RoiId]) -> Vec<u8> {
    let mut w = Writer::default();
    w.list(ids, |w, id| w.number(id.0));
    w.bytes
}

/// The identities of a record.
pub(super) fn decode_ids(bytes: &[u8]) -> Read<Vec<RoiId>> {
    Reader { bytes, version: VERSION }.list(|r| r.number().map(RoiId))
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "the low seven bits")]
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
        self.bytes.push(value as u8);
    }

    fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63).cast_unsigned());
    }

    fn flag(&mut self, value: bool) {
        self.number(u64::from(value));
    }

    fn real(&mut self, value: f64) {
        self.bytes.extend(value.to_bits().to_le_bytes());
    }

    fn share(&mut self, value: f32) {
        self.bytes.extend(value.to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    fn maybe<T>(&mut self, item: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(item.is_some());
        if let Some(item) = item {
            write(self, item);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Insert { index, roi } => {
                self.number(0);
                self.number(*index as u64);
                self.roi(roi);
            }
            Change::Remove { index, roi } => {
                self.number(1);
                self.number(*index as u64);
                self.roi(roi);
            }
            Change::Move { roi, from, to } => {
                self.number(2);
                self.number(roi.0);
                self.number(*from as u64);
                self.number(*to as u64);
            }
            Change::Attribute { roi, before, after } => {
                self.number(3);
                self.number(roi.0);
                self.attribute(before);
                self.attribute(after);
            }
            Change::Planes { roi, planes } => {
                self.number(4);
                self.number(roi.0);
                self.list(planes, |w, PlaneEdit { before, after }| {
                    w.maybe(before.as_ref(), |w, plane| w.roi_plane(plane));
                    w.maybe(after.as_ref(), |w, plane| w.roi_plane(plane));
                });
            }
            Change::Heading { before, after } => {
                self.number(5);
                self.heading(before);
                self.heading(after);
            }
            Change::Guide { roi, index, before, after } => {
                self.number(6);
                self.number(roi.0);
                self.number(*index as u64);
                self.maybe(before.as_deref(), Self::guide);
                self.maybe(after.as_deref(), Self::guide);
            }
        }
    }

    fn attribute(&mut self, attribute: &Attribute) {
        match attribute {
            Attribute::Name(name) => {
                self.number(0);
                self.text(name);
            }
            Attribute::Color(color) => {
                self.number(1);
                self.bytes.extend(color);
            }
            Attribute::RoiType(roi_type) => {
                self.number(2);
                self.text(roi_type.term());
            }
            Attribute::Generation(generation) => {
                self.number(3);
                self.text(generation.term());
            }
            Attribute::Approval(approval) => {
                self.number(4);
                self.number(*approval as u64);
            }
            Attribute::Locked(locked) => {
                self.number(5);
                self.flag(*locked);
            }
            Attribute::Description(text) => {
                self.number(6);
                self.text(text);
            }
            Attribute::Confidence(confidence) => {
                self.number(7);
                self.maybe(confidence.as_ref(), |w, own| w.confidence(*own));
            }
            Attribute::Code(code) => {
                self.number(8);
                self.code(code.as_ref());
            }
            Attribute::Derivation(derivation) => {
                self.number(9);
                self.maybe(derivation.as_deref(), Self::derivation);
            }
            Attribute::Density(density) => {
                self.number(11);
                self.maybe(density.as_ref(), |w, density| w.density(*density));
            }
            Attribute::Exclusive(exclusive) => {
                self.number(12);
                self.flag(*exclusive);
            }
        }
    }

    fn derivation(&mut self, derivation: &Derivation) {
        self.text(&derivation.recipe);
        self.list(&derivation.sources, |w, (roi, fingerprint)| {
            w.number(roi.0);
            w.number(*fingerprint);
        });
        self.number(derivation.result);
    }

    fn heading(&mut self, heading: &Heading) {
        self.text(&heading.label);
        let PatientInfo { name, id, birth_date, sex, synthetic } = &heading.patient;
        for text in [name, id, birth_date, sex] {
            self.text(text);
        }
        self.flag(*synthetic);
        for uid in [&heading.frame_of_reference_uid, &heading.series_uid, &heading.sop_instance_uid] {
            self.maybe(uid.as_ref(), |w, uid| w.text(uid));
        }
    }

    fn roi(&mut self, roi: &Roi) {
        self.number(roi.id.0);
        self.signed(i64::from(roi.number));
        self.text(&roi.name);
        self.bytes.extend(roi.color);
        self.text(roi.roi_type.term());
        self.text(roi.generation.term());
        self.number(roi.approval as u64);
        self.flag(roi.locked);
        self.flag(roi.visible);
        self.text(&roi.description);
        self.number(roi.revision);
        self.list(&roi.planes, |w, plane| w.roi_plane(plane));
        self.maybe(roi.source.as_ref(), |w, source| {
            w.list(source, |w, contour| {
                w.text(contour.geometric_type.term());
                w.text(&contour.data);
                w.maybe(contour.number.as_ref(), |w, number| w.signed(i64::from(*number)));
                w.list(&contour.images, Self::image);
                w.flag(contour.bounds_area);
            });
        });
        self.maybe(roi.confidence.as_ref(), |w, own| w.confidence(*own));
        self.code(roi.code.as_ref());
        self.maybe(roi.derivation.as_deref(), Self::derivation);
        self.maybe(roi.density.as_ref(), |w, density| w.density(*density));
        self.flag(roi.exclusive);
        self.list(&roi.guides, |w, guide| w.guide(guide));
    }

    fn density(&mut self, density: Density) {
        self.text(density.term());
        self.real(density.value());
    }

    fn code(&mut self, code: Option<&AnatomicCode>) {
        self.maybe(code, |w, code| {
            for text in [&code.scheme, &code.value, &code.meaning] {
                w.text(text);
            }
        });
    }

    fn confidence(&mut self, confidence: Confidence) {
        self.share(confidence.value);
        self.flag(confidence.calibrated);
        self.flag(confidence.edited);
    }

    fn image(&mut self, image: &ImageInstance) {
        self.text(&image.sop_class_uid);
        self.text(&image.sop_instance_uid);
        self.maybe(image.frame.as_ref(), |w, frame| w.number(u64::from(*frame)));
    }

    fn plane(&mut self, geometry: &Plane) {
        let axial = *geometry == Plane::axial(geometry.offset_mm());
        self.flag(axial);
        if !axial {
            for axis in [geometry.u(), geometry.v(), geometry.normal()] {
                axis.iter().for_each(|value| self.real(*value));
            }
        }
        self.real(geometry.offset_mm());
    }

    fn roi_plane(&mut self, plane: &RoiPlane) {
        self.plane(&plane.plane);
        self.maybe(plane.image.as_ref(), Self::image);
        self.list(&plane.source, |w, index| w.number(*index as u64));
        self.polygons(&plane.polygons);
        self.maybe(plane.confidence.as_ref(), |w, value| w.share(*value));
    }

    fn polygons(&mut self, polygons: &[Polygon]) {
        self.list(polygons, |w, polygon| {
            w.ring(&polygon.outer);
            w.list(&polygon.holes, Self::ring);
        });
    }

    fn ring(&mut self, ring: &Ring) {
        let start = self.bytes.len();
        self.bytes.reserve(ring.len() * 5 + 8);
        if !self.lattice_ring(ring) {
            self.bytes.truncate(start);
            self.flag(false);
            self.number(ring.len() as u64);
            for point in ring {
                self.real(point.x);
                self.real(point.y);
            }
        }
    }

    /// The ring as steps of the lattice; false, with what is written so far of no use, when a vertex lies
    /// off it.
    fn lattice_ring(&mut self, ring: &Ring) -> bool {
        self.flag(true);
        self.number(ring.len() as u64);
        let mut last = [0, 0];
        for point in ring {
            let Some(step) = lattice_step(point.x).zip(lattice_step(point.y)) else { return false };
            self.signed(step.0 - last[0]);
            self.signed(step.1 - last[1]);
            last = [step.0, step.1];
        }
        true
    }
}

/// The number of lattice steps that make exactly `value_mm`, bit by bit.
fn lattice_step(value_mm: f64) -> Option<i64> {
    let steps = value_mm / LATTICE_MM;
    if !(steps.abs() <= 1e15) {
        return None;
    }
    // The nearest whole number; whether it is exactly this many is seen by its bits.
    #[expect(clippy::cast_possible_truncation, reason = "below 2^50")]
    let steps = (steps + 0.5_f64.copysign(steps)) as i64;
    (from_lattice(steps).to_bits() == value_mm.to_bits()).then_some(steps)
}

fn from_lattice(steps: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "below 2^50")]
    let steps = steps as f64;
    steps / (1.0 / LATTICE_MM)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The version that the record was written as.
    version: u64,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Read<&[u8]> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or(DamagedRecord)?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| DamagedRecord)
    }

    fn version(&mut self) -> Read<()> {
        self.version = self.number()?;
        if (1..=VERSION).contains(&self.version) { Ok(()) } else { Err(DamagedRecord) }
    }

    fn end(&self) -> Read<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DamagedRecord) }
    }

    fn number(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DamagedRecord)
    }

    fn signed(&mut self) -> Read<i64> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn flag(&mut self) -> Read<bool> {
        Ok(self.number()? != 0)
    }

    fn real(&mut self) -> Read<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    fn share(&mut self) -> Read<f32> {
        Ok(f32::from_bits(u32::from_le_bytes(self.array()?)))
    }

    fn index(&mut self) -> Read<usize> {
        usize::try_from(self.number()?).map_err(|_| DamagedRecord)
    }

    fn text(&mut self) -> Read<String> {
        let length = self.index()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| DamagedRecord)
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.index()?;
        // Every item takes at least a byte: a damaged length cannot ask for more memory than that.
        if count > self.bytes.len() {
            return Err(DamagedRecord);
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn change(&mut self) -> Read<Change> {
        Ok(match self.number()? {
            0 => Change::Insert { index: self.index()?, roi: Arc::new(self.roi()?) },
            1 => Change::Remove { index: self.index()?, roi: Arc::new(self.roi()?) },
            2 => Change::Move { roi: RoiId(self.number()?), from: self.index()?, to: self.index()? },
            3 => Change::Attribute {
                roi: RoiId(self.number()?),
                before: self.attribute()?,
                after: self.attribute()?,
            },
            4 => Change::Planes {
                roi: RoiId(self.number()?),
                planes: self.list(|r| {
                    Ok(PlaneEdit {
                        before: r.maybe(Self::roi_plane)?.map(Arc::new),
                        after: r.maybe(Self::roi_plane)?.map(Arc::new),
                    })
                })?,
            },
            5 => Change::Heading { before: Box::new(self.heading()?), after: Box::new(self.heading()?) },
            6 => Change::Guide {
                roi: RoiId(self.number()?),
                index: self.index()?,
                before: self.maybe(Self::guide)?.map(Arc::new),
                after: self.maybe(Self::guide)?.map(Arc::new),
            },
            _ => return Err(DamagedRecord),
        })
    }

    fn attribute(&mut self) -> Read<Attribute> {
        Ok(match self.number()? {
            0 => Attribute::Name(self.text()?),
            1 => Attribute::Color(self.array()?),
            2 => Attribute::RoiType(RoiType::from_term(&self.text()?)),
            3 => Attribute::Generation(GenerationAlgorithm::from_term(&self.text()?)),
            4 => Attribute::Approval(self.approval()?),
            5 => Attribute::Locked(self.flag()?),
            6 => Attribute::Description(self.text()?),
            7 => Attribute::Confidence(self.maybe(Self::confidence)?),
            8 => Attribute::Code(self.code()?),
            9 => Attribute::Derivation(self.maybe(Self::derivation)?.map(Arc::new)),
            // As version 4 wrote densities.
            10 => Attribute::Density(self.maybe(Self::real)?.map(Density::Electron)),
            11 => Attribute::Density(self.maybe(Self::density)?),
            12 => Attribute::Exclusive(self.flag()?),
            _ => return Err(DamagedRecord),
        })
    }

    fn derivation(&mut self) -> Read<Derivation> {
        Ok(Derivation {
            recipe: self.text()?,
            sources: self.list(|r| Ok((RoiId(r.number()?), r.number()?)))?,
            result: self.number()?,
        })
    }

    fn approval(&mut self) -> Read<Approval> {
        let all = [Approval::Proposal, Approval::Accepted, Approval::Reviewed, Approval::Approved];
        all.get(self.index()?).copied().ok_or(DamagedRecord)
    }

    fn heading(&mut self) -> Read<Heading> {
        let label = self.text()?;
        let patient = PatientInfo {
            name: self.text()?,
            id: self.text()?,
            birth_date: self.text()?,
            sex: self.text()?,
            synthetic: self.flag()?,
        };
        let mut uid = || self.maybe(Self::text).map(|uid| uid.map(Arc::from));
        Ok(Heading {
            label,
            patient,
            frame_of_reference_uid: uid()?,
            series_uid: uid()?,
            sop_instance_uid: uid()?,
        })
    }

    fn roi(&mut self) -> Read<Roi> {
        let id = RoiId(self.number()?);
        let number = i32::try_from(self.signed()?).map_err(|_| DamagedRecord)?;
        let name = self.text()?;
        let mut roi = Roi::new(id, number, name, self.array()?);
        roi.roi_type = RoiType::from_term(&self.text()?);
        roi.generation = GenerationAlgorithm::from_term(&self.text()?);
        roi.approval = self.approval()?;
        roi.locked = self.flag()?;
        roi.visible = self.flag()?;
        roi.description = self.text()?;
        roi.revision = self.number()?;
        roi.planes = self.list(|r| r.roi_plane().map(Arc::new))?;
        let source = self.maybe(|r| {
            r.list(|r| {
                Ok(SourceContour {
                    geometric_type: GeometricType::from_term(&r.text()?),
                    data: r.text()?.into(),
                    number: r
                        .maybe(Self::signed)?
                        .map(i32::try_from)
                        .transpose()
                        .map_err(|_| DamagedRecord)?,
                    images: r.list(Self::image)?,
                    bounds_area: r.flag()?,
                })
            })
        })?;
        roi.source = source.map(Arc::new);
        if self.version >= WITH_CONFIDENCE {
            roi.confidence = self.maybe(Self::confidence)?;
        }
        if self.version >= WITH_CODE {
            roi.code = self.code()?;
        }
        if self.version >= WITH_DERIVATION {
            roi.derivation = self.maybe(Self::derivation)?.map(Arc::new);
        }
        if self.version >= WITH_EXCLUSIVE {
            roi.density = self.maybe(Self::density)?;
            roi.exclusive = self.flag()?;
        } else if self.version >= WITH_DERIVATION {
            roi.density = self.maybe(Self::real)?.map(Density::Electron);
        }
        if self.version >= WITH_GUIDES {
            roi.guides = self.list(|r| r.guide().map(Arc::new))?;
        }
        Ok(roi)
    }

    fn confidence(&mut self) -> Read<Confidence> {
        Ok(Confidence { value: self.share()?, calibrated: self.flag()?, edited: self.flag()? })
    }

    fn density(&mut self) -> Read<Density> {
        let term = self.text()?;
        Density::from_term(&term, self.real()?).ok_or(DamagedRecord)
    }

    fn code(&mut self) -> Read<Option<AnatomicCode>> {
        self.maybe(|r| Ok(AnatomicCode { scheme: r.text()?, value: r.text()?, meaning: r.text()? }))
    }

    fn image(&mut self) -> Read<ImageInstance> {
        Ok(ImageInstance {
            sop_class_uid: self.text()?.into(),
            sop_instance_uid: self.text()?.into(),
            frame: self.maybe(Self::number)?.map(u32::try_from).transpose().map_err(|_| DamagedRecord)?,
        })
    }

    fn plane(&mut self) -> Read<Plane> {
        if self.flag()? {
            return Ok(Plane::axial(self.real()?));
        }
        let mut read_axis =
            || -> Read<Vector3> { Ok(Vector3::new(self.real()?, self.real()?, self.real()?)) };
        let axes = [read_axis()?, read_axis()?, read_axis()?];
        Plane::from_axes(axes, self.real()?).ok_or(DamagedRecord)
    }

    fn roi_plane(&mut self) -> Read<RoiPlane> {
        Ok(RoiPlane {
            plane: self.plane()?,
            image: self.maybe(Self::image)?,
            source: self.list(Self::index)?,
            polygons: self.polygons()?,
            confidence: if self.version >= WITH_CONFIDENCE { self.maybe(Self::share)? } else { None },
        })
    }

    fn polygons(&mut self) -> Read<Vec<Polygon>> {
        self.list(|r| Ok(Polygon { outer: r.ring()?, holes: r.list(Self::ring)? }))
    }

    fn ring(&mut self) -> Read<Ring> {
        let on_lattice = self.flag()?;
        let mut last = [0_i64, 0];
        self.list(|r| {
            if on_lattice {
                last = [last[0].wrapping_add(r.signed()?), last[1].wrapping_add(r.signed()?)];
                Ok(Point2::new(from_lattice(last[0]), from_lattice(last[1])))
            } else {
                Ok(Point2::new(r.real()?, r.real()?))
            }
        })
    }
}

#[cfg(test)]
mod tests;
