//! Triangle surfaces: grids of points with smooth normals.

use super::numeric::{V3, mix};

/// What a surface is made of; decides how its pixels are shaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Head,
    Ear,
    Body,
    Hat,
    Brim,
}

/// A corner of triangles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vertex {
    /// Where it is, in the scene.
    pub(super) at: V3,
    /// Outward direction, in the scene.
    pub(super) normal: V3,
    /// Where it is on the unturned head or body: the coordinates of painted features.
    pub(super) rest: V3,
    /// How much of the surrounding light reaches it, 0..1.
    pub(super) open: f32,
    /// How much of the lamp's light reaches it, 0..1.
    pub(super) lit: f32,
    /// How densely hair grows here, 0..1; other surfaces use it as they like.
    pub(super) extra: f32,
}

impl Vertex {
    /// Weighted mean of three vertices; the normal is left unnormalised.
    #[inline]
    pub(super) fn blend(a: &Self, b: &Self, c: &Self, wb: f32, wc: f32) -> Self {
        let wa = 1.0 - wb - wc;
        let number = |x: f32, y: f32, z: f32| wa * x + wb * y + wc * z;
        let vector = |x: V3, y: V3, z: V3| x * wa + y * wb + z * wc;
        Self {
            at: vector(a.at, b.at, c.at),
            normal: vector(a.normal, b.normal, c.normal),
            rest: vector(a.rest, b.rest, c.rest),
            open: number(a.open, b.open, c.open),
            lit: number(a.lit, b.lit, c.lit),
            extra: number(a.extra, b.extra, c.extra),
        }
    }
}

/// All surfaces of a scene.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    pub(super) vertices: Vec<Vertex>,
    pub(super) triangles: Vec<[u32; 3]>,
    pub(super) materials: Vec<Material>,
}

impl Mesh {
    /// Adds a grid of `rows` by `columns` points; `closed` joins the last column to the first.
    /// Rows run downwards and columns counterclockwise seen from above, so that normals point
    /// outwards. Returns the index of the first vertex.
    pub(super) fn grid(
        &mut self,
        material: Material,
        [rows, columns]: [usize; 2],
        closed: bool,
        mut point: impl FnMut(usize, usize) -> Vertex,
    ) -> usize {
        let first = self.vertices.len();
        for row in 0..rows {
            for column in 0..columns {
                self.vertices.push(point(row, column));
            }
        }
        let at = |row: usize, column: usize| (first + row * columns + column % columns) as u32;
        let spans = if closed { columns } else { columns - 1 };
        let begin = self.triangles.len();
        for row in 0..rows - 1 {
            for column in 0..spans {
                let (a, b) = (at(row, column), at(row, column + 1));
                let (c, d) = (at(row + 1, column), at(row + 1, column + 1));
                self.triangles.push([a, c, d]);
                self.triangles.push([a, d, b]);
            }
        }
        self.materials.resize(self.triangles.len(), material);
        self.smooth_normals(first, begin);
        first
    }

    /// Normals of the vertices from `first` on, from the triangles from `begin` on.
    fn smooth_normals(&mut self, first: usize, begin: usize) {
        for triangle in &self.triangles[begin..] {
            let [a, b, c] = triangle.map(|index| self.vertices[index as usize].at);
            let normal = (b - a).cross(c - a);
            for index in triangle {
                self.vertices[*index as usize].normal += normal;
            }
        }
        for vertex in &mut self.vertices[first..] {
            vertex.normal = vertex.normal.unit();
        }
    }
}

/// How finely surfaces and strands are cut, from the side of the drawing surface in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// 0 for the smallest pictures .. 1 for the largest.
    level: f32,
}

impl Detail {
    pub(super) fn new(side: usize) -> Self {
        Self { level: ((side as f32 - 96.0) / (1024.0 - 96.0)).clamp(0.0, 1.0).sqrt() }
    }

    /// A count between `few` and `many`.
    pub(super) fn count(self, few: usize, many: usize) -> usize {
        mix(few as f32, many as f32, self.level).round() as usize
    }
}
