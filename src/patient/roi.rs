//! Regions of interest: closed planar contours, the truth of a structure.

use super::{AnatomicCode, Confidence, Guide, ImageInstance, Volume};
use crate::geometry::{Plane, Point2, Point3, Polygon, without_needles};
use std::sync::Arc;

/// An ROI's identity within the program, never reused; not the DICOM ROI Number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct RoiId(pub u64);

/// An sRGB display colour (ROI Display Color).
pub type Color = [u8; 3];

/// Colours for structures without a conventional one: distinct on grey; neighbours differ in
/// lightness as well as hue.
pub const PALETTE: [Color; 12] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [240, 228, 66],
    [204, 121, 167],
    [0, 114, 178],
    [213, 94, 0],
    [153, 221, 255],
    [170, 170, 0],
    [255, 170, 187],
    [68, 187, 153],
    [136, 119, 221],
];

/// RT ROI Interpreted Type (PS3.3 C.8.8.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum RoiType {
    /// The patient's outline.
    External,
    /// An organ (at risk or not).
    #[default]
    Organ,
    /// Gross tumour volume.
    Gtv,
    /// Clinical target volume.
    Ctv,
    /// Planning target volume.
    Ptv,
    /// An avoidance region.
    Avoidance,
    /// A planning help structure.
    Control,
    /// The treatment couch or another support.
    Support,
    /// A bolus.
    Bolus,
    /// A marker.
    Marker,
    /// Any other defined term, as stored (may be empty).
    Other(String),
}

impl RoiType {
    /// From the stored defined term.
    #[must_use]
    pub fn from_term(term: &str) -> Self {
        match term {
            "EXTERNAL" => Self::External,
            "ORGAN" => Self::Organ,
            "GTV" => Self::Gtv,
            "CTV" => Self::Ctv,
            "PTV" => Self::Ptv,
            "AVOIDANCE" => Self::Avoidance,
            "CONTROL" => Self::Control,
            "SUPPORT" => Self::Support,
            "BOLUS" => Self::Bolus,
            "MARKER" => Self::Marker,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The DICOM defined term.
    #[must_use]
    pub fn term(&self) -> &str {
        match self {
            Self::External => "EXTERNAL",
            Self::Organ => "ORGAN",
            Self::Gtv => "GTV",
            Self::Ctv => "CTV",
            Self::Ptv => "PTV",
            Self::Avoidance => "AVOIDANCE",
            Self::Control => "CONTROL",
            Self::Support => "SUPPORT",
            Self::Bolus => "BOLUS",
            Self::Marker => "MARKER",
            Self::Other(term) => term,
        }
    }

    /// Whether it is a target (GTV, CTV or PTV).
    #[must_use]
    pub fn is_target(&self) -> bool {
        matches!(self, Self::Gtv | Self::Ctv | Self::Ptv)
    }
}

/// ROI Generation Algorithm (PS3.3 C.8.8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum GenerationAlgorithm {
    /// Made by the machine and not touched since.
    Automatic,
    /// Made by the machine, then corrected by a person.
    SemiAutomatic,
    /// Drawn by a person.
    #[default]
    Manual,
    /// Not stated by the file it came from.
    Unknown,
}

impl GenerationAlgorithm {
    /// The DICOM term; empty for [`Self::Unknown`] (the attribute is type 2).
    #[must_use]
    pub fn term(self) -> &'static str {
        match self {
            Self::Automatic => "AUTOMATIC",
            Self::SemiAutomatic => "SEMIAUTOMATIC",
            Self::Manual => "MANUAL",
            Self::Unknown => "",
        }
    }

    /// From the stored term.
    #[must_use]
    pub fn from_term(term: &str) -> Self {
        match term {
            "AUTOMATIC" => Self::Automatic,
            "SEMIAUTOMATIC" => Self::SemiAutomatic,
            "MANUAL" => Self::Manual,
            _ => Self::Unknown,
        }
    }

    /// What it is after a person has changed the contours.
    #[must_use]
    pub fn after_hand_edit(self) -> Self {
        match self {
            Self::Automatic | Self::SemiAutomatic => Self::SemiAutomatic,
            Self::Manual | Self::Unknown => Self::Manual,
        }
    }
}

/// How far a person has answered for an ROI.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Approval {
    /// The machine's suggestion: drawn dashed, never exported from the window.
    Proposal,
    /// Taken over by a person, or drawn by one.
    #[default]
    Accepted,
    /// Looked through by a person.
    Reviewed,
    /// Signed off; locked.
    Approved,
}

/// Contour Geometric Type (PS3.3 C.8.8.6.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GeometricType {
    /// A closed contour in one plane.
    ClosedPlanar,
    /// Closed contours of one plane combined by exclusive or.
    ClosedPlanarXor,
    /// An open contour in one plane.
    OpenPlanar,
    /// An open contour in space.
    OpenNonplanar,
    /// A single point.
    Point,
    /// Any other, as stored.
    Other(String),
}

impl GeometricType {
    /// From the stored term.
    #[must_use]
    pub fn from_term(term: &str) -> Self {
        match term {
            "CLOSED_PLANAR" => Self::ClosedPlanar,
            "CLOSEDPLANAR_XOR" => Self::ClosedPlanarXor,
            "OPEN_PLANAR" => Self::OpenPlanar,
            "OPEN_NONPLANAR" => Self::OpenNonplanar,
            "POINT" => Self::Point,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The DICOM term.
    #[must_use]
    pub fn term(&self) -> &str {
        match self {
            Self::ClosedPlanar => "CLOSED_PLANAR",
            Self::ClosedPlanarXor => "CLOSEDPLANAR_XOR",
            Self::OpenPlanar => "OPEN_PLANAR",
            Self::OpenNonplanar => "OPEN_NONPLANAR",
            Self::Point => "POINT",
            Self::Other(term) => term,
        }
    }
}

/// A contour exactly as a file stored it, kept so that an untouched ROI goes out unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceContour {
    /// Contour Geometric Type.
    pub geometric_type: GeometricType,
    /// Contour Data: the text of every coordinate, joined by backslashes, without padding.
    pub data: Arc<str>,
    /// Contour Number, where stored.
    pub number: Option<i32>,
    /// Contour Image Sequence, where stored.
    pub images: Vec<ImageInstance>,
    /// Whether reading found it to bound an area on one of [`Roi::planes`]. One that does not (a
    /// point, an open contour, a closed one without area) goes out again whatever is edited.
    pub bounds_area: bool,
}

impl SourceContour {
    /// The coordinates as numbers, mm; `None` when the text is not whole triples of numbers.
    #[must_use]
    pub fn points_mm(&self) -> Option<Vec<Point3>> {
        let numbers: Vec<f64> =
            self.data.split('\\').map(|text| text.trim().parse().ok()).collect::<Option<_>>()?;
        numbers
            .len()
            .is_multiple_of(3)
            .then(|| numbers.chunks_exact(3).map(|xyz| Point3::new(xyz[0], xyz[1], xyz[2])).collect())
    }
}

/// An ROI's polygons on one plane. Immutable: an edit makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct RoiPlane {
    /// The plane; its in-plane axes are those of the image slices it was drawn on.
    pub plane: Plane,
    /// The image slice it was drawn on, where known.
    pub image: Option<ImageInstance>,
    /// The pieces, disjoint, in plane coordinates, every vertex a fixed point of [`Plane::snap`]
    /// unless the plane is as imported.
    pub polygons: Vec<Polygon>,
    /// Indices into [`Roi::source`] of the contours this plane was read from; empty once edited.
    pub source: Vec<usize>,
    /// How far the model that made these contours trusts them, 0 to 1, as [`Roi::confidence`] says;
    /// `None` where a person drew or changed them, or nothing is known.
    pub confidence: Option<f32>,
}

/// A plane within this of another is the same one, mm.
const COINCIDES_MM: f64 = 0.1;

/// The width of a needle: far below what anyone draws or an image shows, mm.
const NEEDLE_MM: f64 = 0.01;

impl RoiPlane {
    /// A plane of an edited ROI: vertices are snapped to the lattice, repeated neighbours and needles
    /// (ways out and back within a hundredth of a millimetre) dropped, rings of fewer than three vertices
    /// or without area dropped (an outer ring with its holes).
    #[must_use]
    pub fn new(plane: Plane, image: Option<ImageInstance>, polygons: Vec<Polygon>) -> Self {
        let clean = |ring: Vec<Point2>| -> Option<Vec<Point2>> {
            let mut ring: Vec<Point2> = ring.into_iter().map(|point| plane.snap(point)).collect();
            ring.dedup();
            while ring.len() > 1 && ring.first() == ring.last() {
                ring.pop();
            }
            without_needles(&mut ring, NEEDLE_MM);
            (ring.len() >= 3 && crate::geometry::ring_area(&ring) != 0.0).then_some(ring)
        };
        let polygons = polygons
            .into_iter()
            .filter_map(|polygon| {
                Some(Polygon {
                    outer: clean(polygon.outer)?,
                    holes: polygon.holes.into_iter().filter_map(clean).collect(),
                })
            })
            .collect();
        Self { plane, image, polygons, source: Vec::new(), confidence: None }
    }

    /// The area of all pieces without their holes, square millimetres.
    #[must_use]
    pub fn area_mm2(&self) -> f64 {
        self.polygons.iter().map(Polygon::area_mm2).sum()
    }

    /// The number of vertices of all rings.
    #[must_use]
    pub fn vertex_count(&self) -> usize {
        self.polygons.iter().flat_map(Polygon::rings).map(Vec::len).sum()
    }
}

/// How an ROI is derived from others, and what it was made from last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// The recipe, with identities (`{12}`) in place of names.
    pub recipe: String,
    /// The ROIs it is made from, with [`Roi::contours_fingerprint`] of each when it was made last.
    pub sources: Vec<(RoiId, u64)>,
    /// The fingerprint of its own contours as they were made last.
    pub result: u64,
}

/// A density that stands in place of what the images tell (ROI Physical Properties, PS3.3
/// C.8.8.8), relative to water.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Density {
    /// Electron density (`REL_ELEC_DENSITY`).
    Electron(f64),
    /// Mass density (`REL_MASS_DENSITY`).
    Mass(f64),
}

impl Density {
    /// The value relative to water.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::Electron(value) | Self::Mass(value) => value,
        }
    }

    /// The same quantity with another value.
    #[must_use]
    pub fn with_value(self, value: f64) -> Self {
        match self {
            Self::Electron(_) => Self::Electron(value),
            Self::Mass(_) => Self::Mass(value),
        }
    }

    /// The DICOM term, ROI Physical Property.
    #[must_use]
    pub fn term(self) -> &'static str {
        match self {
            Self::Electron(_) => "REL_ELEC_DENSITY",
            Self::Mass(_) => "REL_MASS_DENSITY",
        }
    }

    /// From the stored term and value; `None` for other properties and for what is no density.
    #[must_use]
    pub fn from_term(term: &str, value: f64) -> Option<Self> {
        let value = Some(value).filter(|value| value.is_finite() && *value >= 0.0)?;
        match term {
            "REL_ELEC_DENSITY" => Some(Self::Electron(value)),
            "REL_MASS_DENSITY" => Some(Self::Mass(value)),
            _ => None,
        }
    }
}

/// A region of interest.
#[derive(Debug, Clone, PartialEq)]
pub struct Roi {
    /// Identity within the program.
    pub id: RoiId,
    /// DICOM ROI Number.
    pub number: i32,
    /// ROI Name, TG-263 where the person keeps to it.
    pub name: String,
    /// Display colour.
    pub color: Color,
    /// RT ROI Interpreted Type.
    pub roi_type: RoiType,
    /// What it is, for other systems (RT ROI Identification Code Sequence); `None` where not told.
    pub code: Option<AnatomicCode>,
    /// Who made the contours.
    pub generation: GenerationAlgorithm,
    /// How far a person has answered for it.
    pub approval: Approval,
    /// Locked against changes by the person (an approved ROI is locked in any case).
    pub locked: bool,
    /// Shown in the views.
    pub visible: bool,
    /// What made a proposal ("head-neck 0.1.0"), or ROI Description as imported; may be empty.
    pub description: String,
    /// The planes with contours, sorted by offset along their normal; planes without polygons are
    /// not kept.
    pub planes: Vec<Arc<RoiPlane>>,
    /// All contours as imported, in the file's order, points and open contours included; `None`
    /// for an ROI made here.
    pub source: Option<Arc<Vec<SourceContour>>>,
    /// How far the model that made it trusts it; `None` where a person drew it, for imported
    /// contours, and for models that give no probabilities.
    pub confidence: Option<Confidence>,
    /// How it is derived from other ROIs; `None` for one of its own.
    pub derivation: Option<Arc<Derivation>>,
    /// The density that dose calculation is to assume inside it; `None` where the images tell.
    pub density: Option<Density>,
    /// Whether it and the other exclusive ROIs never gain ground in one another: what one gains the
    /// others lose.
    pub exclusive: bool,
    /// What tells its shape between slices, in the order drawn; no two on one plane, none without
    /// polygons. No contours, and never exported.
    pub guides: Vec<Arc<Guide>>,
    /// Counts every change but those of guides and of what is shown; caches are stamped with it.
    pub revision: u64,
}

impl Roi {
    /// A visible, empty, hand-drawn organ.
    #[must_use]
    pub fn new(id: RoiId, number: i32, name: impl Into<String>, color: Color) -> Self {
        Self {
            id,
            number,
            name: name.into(),
            color,
            roi_type: RoiType::Organ,
            code: None,
            generation: GenerationAlgorithm::Manual,
            approval: Approval::Accepted,
            locked: false,
            visible: true,
            description: String::new(),
            planes: Vec::new(),
            source: None,
            confidence: None,
            derivation: None,
            density: None,
            exclusive: false,
            guides: Vec::new(),
            revision: 0,
        }
    }

    /// A number that tells contours apart: the same planes and rings, bit by bit and in the same
    /// order, give the same (a product hash of 64 bits). 0 without
    /// contours.
    #[must_use]
    pub fn contours_fingerprint(&self) -> u64 {
        if self.planes.is_empty() {
            return 0;
        }
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bits: u64| hash = (hash ^ bits).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        for own in &self.planes {
            add(own.plane.offset_mm().to_bits());
            for ring in own.polygons.iter().flat_map(Polygon::rings) {
                add(ring.len() as u64);
                for point in ring {
                    add((point.x + 0.0).to_bits());
                    add((point.y + 0.0).to_bits());
                }
            }
        }
        hash
    }

    /// Whether its contours may not be changed.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked || self.approval == Approval::Approved
    }

    /// Whether it is a proposal.
    #[must_use]
    pub fn is_proposal(&self) -> bool {
        self.approval == Approval::Proposal
    }

    /// The plane that coincides with `plane` within 0.1 mm.
    #[must_use]
    pub fn plane_at(&self, plane: &Plane) -> Option<&Arc<RoiPlane>> {
        let coincides = |own: &&Arc<RoiPlane>| own.plane.coincides(plane, COINCIDES_MM);
        // Where the axes run the same way it is the first of these offsets; otherwise it may be anywhere.
        let least = plane.offset_mm() - COINCIDES_MM;
        let first = self.planes.partition_point(|own| own.plane.offset_mm() < least);
        self.planes.get(first).filter(coincides).or_else(|| self.planes.iter().find(coincides))
    }

    /// The volume, cubic centimetres: the sum over the planes on image slices of area times
    /// [`Volume::slice_thickness_mm`]. Planes that lie on no image slice count nothing.
    #[must_use]
    pub fn volume_cc(&self, volume: &Volume) -> f64 {
        self.planes
            .iter()
            .filter_map(|own| {
                let index = volume
                    .nearest_slice(own.plane.offset_mm())
                    .filter(|index| volume.slices[*index].plane.coincides(&own.plane, 0.1))?;
                Some(own.area_mm2() * volume.slice_thickness_mm(index))
            })
            .sum::<f64>()
            / 1000.0
    }

    /// The planes that a model has a confidence for, and that number (0 to 1), in the order of
    /// [`Self::planes`]; empty where there is none.
    pub fn slice_confidence(&self) -> impl Iterator<Item = (&Arc<RoiPlane>, f32)> {
        self.planes.iter().filter_map(|plane| Some((plane, plane.confidence?)))
    }

    /// The plane a model trusts least, the first of equals; `None` where no plane has a number.
    #[must_use]
    pub fn least_confident(&self) -> Option<(&Arc<RoiPlane>, f32)> {
        self.slice_confidence().min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The number of vertices of all planes.
    #[must_use]
    pub fn vertex_count(&self) -> usize {
        self.planes.iter().map(|plane| plane.vertex_count()).sum()
    }
}
