//! An outline's vertices on the graphics device.

use super::Gpu;
use super::pipelines::buffer;

/// The lines and the fan triangles of an outline's rings.
#[derive(Debug)]
pub(super) struct LineBuffers {
    pub segments: wgpu::Buffer,
    pub segment_count: u32,
    pub points: wgpu::Buffer,
    pub fans: wgpu::Buffer,
    pub fan_index_count: u32,
    /// Least and greatest corner, plane mm; `None` without vertices.
    pub bounds: Option<([f32; 2], [f32; 2])>,
}

/// The lines of rings: for each edge the vertex before it, its ends, the vertex after it, and the
/// way along the ring to its start, all in mm. Rings of one vertex give a dot, empty ones nothing.
#[must_use]
pub fn segments_of(rings: &[Vec<[f32; 2]>]) -> Vec<[f32; 9]> {
    let mut segments = Vec::with_capacity(rings.iter().map(Vec::len).sum());
    for ring in rings {
        let n = ring.len();
        let mut way = 0.0;
        for index in 0..n {
            let [before, from, to, after] = [n + index - 1, index, index + 1, index + 2].map(|i| ring[i % n]);
            segments.push([before[0], before[1], from[0], from[1], to[0], to[1], after[0], after[1], way]);
            let (along, up) = (to[0] - from[0], to[1] - from[1]);
            way += (along * along + up * up).sqrt();
        }
    }
    segments
}

impl LineBuffers {
    pub fn new(gpu: &Gpu, rings: &[Vec<[f32; 2]>]) -> Self {
        let segments = segments_of(rings);
        let points: Vec<[f32; 2]> = rings.iter().flatten().copied().collect();
        let mut fans: Vec<u32> = Vec::with_capacity(points.len() * 3);
        let mut first = 0;
        for ring in rings {
            let count = u32::try_from(ring.len()).unwrap_or(0);
            for index in 1..count.saturating_sub(1) {
                fans.extend([first, first + index, first + index + 1]);
            }
            first += count;
        }
        let bounds = points.first().map(|&start| {
            points.iter().fold((start, start), |(low, high), p| {
                ([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])])
            })
        });
        let vertex = wgpu::BufferUsages::VERTEX;
        Self {
            segment_count: u32::try_from(segments.len()).unwrap_or(0),
            segments: buffer(gpu, "segments", bytemuck::cast_slice(&segments), vertex),
            points: buffer(gpu, "points", bytemuck::cast_slice(&points), vertex),
            fan_index_count: u32::try_from(fans.len()).unwrap_or(0),
            fans: buffer(gpu, "fans", bytemuck::cast_slice(&fans), wgpu::BufferUsages::INDEX),
            bounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_knows_its_neighbours_and_the_way_so_far() {
        let triangle = vec![vec![[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]];
        let segments = segments_of(&triangle);
        assert_eq!(segments[0], [3.0, 4.0, 0.0, 0.0, 3.0, 0.0, 3.0, 4.0, 0.0]);
        assert_eq!(segments[2], [3.0, 0.0, 3.0, 4.0, 0.0, 0.0, 3.0, 0.0, 7.0]);
        assert!(segments_of(&[Vec::new()]).is_empty());
    }
}
