//! The records of guide outlines.

use super::{Guide, Read, Reader, Writer};

impl Writer {
    pub(super) fn guide(&mut self, guide: &Guide) {
        self.plane(&guide.plane);
        self.polygons(&guide.polygons);
    }
}

impl Reader<'_> {
    pub(super) fn guide(&mut self) -> Read<Guide> {
        Ok(Guide { plane: self.plane()?, polygons: self.polygons()? })
    }
}
