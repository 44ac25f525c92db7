//! Drawing surfaces: which triangle each pixel sees, and thin strokes over it.

use super::mesh::{Material, Mesh};
use super::numeric::{V3, v3, whole};

/// No triangle.
const NOTHING: u32 = u32::MAX;

/// What a camera with mild perspective sees of the scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// The scene point that appears at `spot` in its true size.
    pub(super) focus: V3,
    /// Where, in pixels.
    pub(super) spot: [f32; 2],
    /// Pixels per head unit.
    pub(super) scale: f32,
}

/// The viewer's distance in head units: a portrait lens.
const DISTANCE: f32 = 9.0;

impl Camera {
    /// Pixel coordinates (x right, y down) and depth (larger is nearer).
    #[inline]
    pub(super) fn project(&self, p: V3) -> V3 {
        let from = p - self.focus;
        let near = self.scale * DISTANCE / (DISTANCE - from.z);
        v3(self.spot[0] + from.x * near, self.spot[1] - from.y * near, from.z)
    }
}

/// A square drawing surface with depth.
#[derive(Debug)]
pub(super) struct Canvas {
    pub(super) side: usize,
    pub(super) colour: Vec<V3>,
    depth: Vec<f32>,
    triangle: Vec<u32>,
    weights: Vec<[f32; 2]>,
}

impl Canvas {
    pub(super) fn new(side: usize) -> Self {
        let pixels = side * side;
        Self {
            side,
            colour: vec![V3::default(); pixels],
            depth: vec![-100.0; pixels],
            triangle: vec![NOTHING; pixels],
            weights: vec![[0.0; 2]; pixels],
        }
    }

    /// Finds the triangle that each pixel sees.
    pub(super) fn surfaces(&mut self, mesh: &Mesh, camera: &Camera) {
        let seen: Vec<V3> = mesh.vertices.iter().map(|vertex| camera.project(vertex.at)).collect();
        for (index, corners) in mesh.triangles.iter().enumerate() {
            let [a, b, c] = corners.map(|corner| seen[corner as usize]);
            // Closed surfaces show only their outside (the picture's y axis points down).
            let closed = matches!(mesh.materials[index], Material::Head | Material::Body);
            if closed && (b.x - a.x) * (c.y - a.y) >= (b.y - a.y) * (c.x - a.x) {
                continue;
            }
            self.cover(index as u32, a, b, c);
        }
    }

    fn cover(&mut self, index: u32, a: V3, b: V3, c: V3) {
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        if area.abs() < 1e-9 {
            return;
        }
        let limit = self.side as f32;
        let low_x = a.x.min(b.x).min(c.x).max(0.0);
        let high_x = a.x.max(b.x).max(c.x).min(limit);
        let low_y = a.y.min(b.y).min(c.y).max(0.0);
        let high_y = a.y.max(b.y).max(c.y).min(limit);
        if low_x >= high_x || low_y >= high_y {
            return;
        }
        let inverse = 1.0 / area;
        // Weight of b is an edge function of (a, c), of c one of (a, b).
        let (step_b, step_c) = ((c.y - a.y) * inverse, -(b.y - a.y) * inverse);
        let last = self.side - 1;
        for row in low_y as usize..=(high_y as usize).min(last) {
            let y = row as f32 + 0.5 - a.y;
            let (mut first, mut end) = (low_x as usize, (high_x as usize).min(last));
            let weight_b = |x: f32| (x * (c.y - a.y) - y * (c.x - a.x)) * inverse;
            let weight_c = |x: f32| (y * (b.x - a.x) - x * (b.y - a.y)) * inverse;
            // Skip to the span where all weights can be positive.
            while first <= end {
                let x = first as f32 + 0.5 - a.x;
                let (wb, wc) = (weight_b(x), weight_c(x));
                let outside = (wb < -1e-4 && step_b <= 0.0)
                    || (wc < -1e-4 && step_c <= 0.0)
                    || (wb + wc > 1.0001 && step_b + step_c >= 0.0);
                if outside {
                    end = 0;
                    first = 1;
                    break;
                }
                if wb >= -1e-4 && wc >= -1e-4 && wb + wc <= 1.0001 {
                    break;
                }
                first += 1;
            }
            for column in first..=end {
                let x = column as f32 + 0.5 - a.x;
                let (wb, wc) = (weight_b(x), weight_c(x));
                if wb < -1e-4 || wc < -1e-4 || wb + wc > 1.0001 {
                    break;
                }
                let z = a.z + wb * (b.z - a.z) + wc * (c.z - a.z);
                let at = row * self.side + column;
                if z > self.depth[at] {
                    self.depth[at] = z;
                    self.triangle[at] = index;
                    self.weights[at] = [wb, wc];
                }
            }
        }
    }

    /// What a pixel sees: the triangle and the weights of its second and third corner.
    #[inline]
    pub(super) fn seen(&self, at: usize) -> Option<(usize, [f32; 2])> {
        let index = self.triangle[at];
        (index != NOTHING).then(|| (index as usize, self.weights[at]))
    }

    /// A straight stroke with square ends at whole pixels, so that joined strokes neither overlap
    /// nor gap: every pixel column (or row, for steep ones) is covered by exactly the area that the
    /// stroke's edges enclose. `width` is in pixels and may be less than one. What lies more than
    /// `bias` in front hides it.
    pub(super) fn stroke(
        &mut self,
        ends: [V3; 2],
        colours: [V3; 2],
        width: [f32; 2],
        opacity: f32,
        bias: f32,
    ) {
        let [a, b] = ends;
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let steep = dy.abs() > dx.abs();
        // (u, v) = (major, minor) coordinates.
        let (mut u0, mut v0, mut u1, mut v1) =
            if steep { (a.y, a.x, b.y, b.x) } else { (a.x, a.y, b.x, b.y) };
        let (mut z0, mut z1) = (a.z, b.z);
        let ([mut c0, mut c1], [mut w0, mut w1]) = (colours, width);
        if u1 < u0 {
            (u0, u1, v0, v1) = (u1, u0, v1, v0);
            (z0, z1, c0, c1, w0, w1) = (z1, z0, c1, c0, w1, w0);
        }
        let limit = self.side as f32;
        let run = u1 - u0;
        if u1 <= 0.0 || u0 >= limit || run < 1e-6 {
            return;
        }
        let slope = (v1 - v0) / run;
        let stretch = (1.0 + slope * slope).sqrt();
        // Pixels whose centre lies in [u0, u1).
        let first = after(u0 - 0.5).max(0) as usize;
        let end = after(u1 - 0.5).clamp(0, self.side as i32) as usize;
        let inverse = 1.0 / run;
        let (along, beside) = if steep { (self.side, 1) } else { (1, self.side) };
        for major in first..end {
            let from_start = major as f32 + 0.5 - u0;
            let t = from_start * inverse;
            let v = v0 + from_start * slope;
            let half = 0.5 * stretch * (w0 + (w1 - w0) * t);
            // At least a pixel wide in space, fainter instead of thinner.
            let wide = half.max(0.5);
            let fade = opacity * half / wide;
            let (low, high) = ((v - wide).max(0.0), (v + wide).min(limit));
            if low >= high {
                continue;
            }
            let colour = c0.mix(c1, t);
            let z = z0 + (z1 - z0) * t + bias;
            let mut cell = low as usize;
            let mut at = major * along + cell * beside;
            while cell < self.side && (cell as f32) < high {
                if z > self.depth[at] {
                    let covered = high.min(cell as f32 + 1.0) - low.max(cell as f32);
                    let pixel = &mut self.colour[at];
                    *pixel = pixel.mix(colour, covered * fade);
                }
                cell += 1;
                at += beside;
            }
        }
    }

    /// A round dot that hides what is behind it: a link of a thick line.
    pub(super) fn dot(&mut self, centre: V3, radius: f32, colour: V3, opacity: f32) {
        let limit = self.side as f32 - 1.0;
        let (low_x, high_x) =
            ((centre.x - radius - 1.0).max(0.0), (centre.x + radius + 1.0).min(limit));
        let (low_y, high_y) =
            ((centre.y - radius - 1.0).max(0.0), (centre.y + radius + 1.0).min(limit));
        if low_x > high_x || low_y > high_y {
            return;
        }
        for row in low_y as usize..=high_y as usize {
            for column in low_x as usize..=high_x as usize {
                let (dx, dy) = (column as f32 + 0.5 - centre.x, row as f32 + 0.5 - centre.y);
                let covered = (radius + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
                let at = row * self.side + column;
                if covered > 0.0 && centre.z > self.depth[at] {
                    self.colour[at] = self.colour[at].mix(colour, covered * opacity);
                    if covered > 0.5 && opacity > 0.5 {
                        self.depth[at] = centre.z - 0.01;
                    }
                }
            }
        }
    }
}

/// The least whole number not below `x`.
#[inline]
fn after(x: f32) -> i32 {
    let (down, rest) = whole(x);
    if rest > 0.0 { down + 1 } else { down }
}
