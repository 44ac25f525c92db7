//! One portrait, from its random numbers to light on the drawing surface.

use super::background::Background;
use super::beard::Beard;
use super::body::Body;
use super::dice::{Aspect, Source};
use super::finish::develop;
use super::glasses::Glasses;
use super::hair::{Hair, Plan};
use super::hats::Hat;
use super::head::Head;
use super::jewellery::Jewellery;
use super::light::{Light, Shadows};
use super::mesh::{Detail, Material, Mesh, Vertex};
use super::noise::Noise;
use super::numeric::{Turn, V3, mix, smooth, v3};
use super::person::Person;
use super::raster::{Camera, Canvas};
use super::skin::Skin;
use super::strands::{self, Guide};
use super::strokes::Strokes;

/// Head units that are as high as the picture.
const FRAME: f32 = 2.94;
/// The point about which the head turns.
const PIVOT: V3 = v3(0.0, -0.75, -0.20);

/// Everything about a portrait but its resolution.
pub(super) struct Portrait {
    source: Source,
    pub(super) noise: Noise,
    pub(super) head: Head,
    pub(super) skin: Skin,
    pub(super) hair: Hair,
    pub(super) beard: Beard,
    pub(super) light: Light,
    pub(super) guides: Vec<Guide>,
    pub(super) hat: Option<Hat>,
    body: Body,
    glasses: Option<Glasses>,
    jewellery: Jewellery,
    background: Background,
    ears: [f32; 2],
    turn: Turn,
    body_turn: Turn,
    spot: [f32; 2],
    zoom: f32,
    exposure: f32,
}

impl Portrait {
    #[cfg(test)]
    pub(super) fn wears_glasses(&self) -> bool {
        self.glasses.is_some()
    }

    pub(super) fn new(seed: u64, image: u64) -> Self {
        let source = Source::new(seed, image);
        let person = Person::draw(source);
        let noise = Noise::new(&mut source.dice(Aspect::Noise));
        let skin = Skin::draw(source, &person);
        let marks = super::person::Landmarks::draw(source, &person);
        let hair = Hair::draw(source, &person, &marks);
        let head = Head::draw(source, &person, skin.tone, hair.colour);
        let beard = Beard::draw(source, &person, hair.colour);
        let hat = Hat::draw(source, person.feminine);
        let guides = strands::guides(source, &hair, &head.skull, &noise, hat.as_ref());
        let mut dice = source.dice(Aspect::Pose);
        let yaw = dice.bell(0.14);
        let (pitch, roll) = (dice.bell(0.055) - 0.02, dice.bell(0.035));
        let lean = dice.bell(0.05);
        let tone = skin.tone.luminance();
        let body = Body::draw(source, &person);
        let jewellery = Jewellery::draw(source, &person, hair.ears, head.skull.girth().0, &body);
        Self {
            glasses: Glasses::draw(source, &person, &head),
            light: Light::draw(source),
            skin: skin.with_beard(beard),
            body,
            background: Background::draw(source),
            ears: [dice.range(0.92, 1.08), dice.range(0.28, 0.60)],
            turn: Turn::new(yaw, pitch, roll),
            body_turn: Turn::new(0.45 * yaw + lean, 0.0, 0.25 * roll),
            spot: [0.5 + dice.bell(0.008), 0.462 + dice.bell(0.007)],
            zoom: 1.0 + dice.bell(0.022),
            // Dark skin is exposed longer, as any photographer would.
            exposure: (0.50 / (0.22 + tone)).clamp(0.72, 1.35) * dice.range(0.94, 1.10),
            source,
            noise,
            head,
            hair,
            beard,
            guides,
            hat,
            jewellery,
        }
    }

    /// Where a point of the unturned head is in the scene.
    #[inline]
    pub(super) fn place(&self, p: V3) -> V3 {
        PIVOT + self.turn.apply(p - PIVOT)
    }

    /// A direction on the unturned head, in the scene.
    #[inline]
    pub(super) fn aim(&self, direction: V3) -> V3 {
        self.turn.apply(direction)
    }

    fn place_body(&self, p: V3) -> V3 {
        let still = PIVOT + self.body_turn.apply(p - PIVOT);
        let with_head = smooth(-1.35, -0.80, p.y);
        if with_head <= 0.0 { still } else { still.mix(self.place(p), with_head) }
    }

    /// Draws at `size` pixels a side, each the mean of `samples * samples`.
    pub(super) fn render(&self, size: usize, samples: usize) -> Vec<u8> {
        let side = size * samples;
        let detail = Detail::new(side);
        let scale = side as f32 / FRAME * self.zoom;
        let camera = Camera {
            focus: self.place(v3(0.0, 0.0, 0.80)),
            spot: [self.spot[0] * side as f32, self.spot[1] * side as f32],
            scale,
        };
        let mut mesh = self.surfaces(detail);
        let strokes = Strokes::new(self.source, side, scale);
        let mut shadows = Shadows::new(self.light.key, self.place(v3(0.0, -0.2, 0.0)));
        for vertex in &mesh.vertices {
            shadows.block(vertex.at);
        }
        for guide in &self.guides {
            for point in guide.points {
                shadows.block(self.place(point));
            }
        }
        for vertex in &mut mesh.vertices {
            if vertex.normal.dot(self.light.key) > -0.35 {
                vertex.lit = 0.18 + 0.82 * shadows.lit(vertex.at + vertex.normal * 0.02);
            }
        }
        let mut canvas = Canvas::new(side);
        canvas.surfaces(&mesh, &camera);
        self.paint(&mut canvas, &mesh, size, samples, 1.0 / scale);
        let half_width = self.head.skull.girth().0;
        strokes.fine(self, &mut canvas, &camera, &shadows);
        if let Some(glasses) = &self.glasses {
            glasses.lenses(&mut canvas, &camera, &self.light, |p| self.place(p));
            glasses.frame(&mut canvas, &camera, &self.light, |p| self.place(p), half_width);
        }
        let (on_head, on_body) = (|p| self.place(p), |p| self.place_body(p));
        self.jewellery.draw_on(&mut canvas, &camera, &self.light, on_head, on_body);
        strokes.hair(self, &mut canvas, &camera, &shadows);
        develop(&canvas.colour, size, samples, self.exposure)
    }

    fn surfaces(&self, detail: Detail) -> Mesh {
        let mut mesh = Mesh::default();
        let place = |p: V3| self.place(p);
        let hat = self.hat.as_ref();
        let first = mesh.vertices.len();
        self.head.build(&mut mesh, detail, |angle, p| {
            (self.hair.density(angle, p), self.hair.body(angle, p, hat.is_some()))
        });
        if self.hair.ears {
            for side in [-1.0, 1.0] {
                self.head.ear(&mut mesh, detail, side, self.ears[0], self.ears[1]);
            }
        }
        for vertex in &mut mesh.vertices[first..] {
            vertex.at = place(vertex.at);
            vertex.normal = self.turn.apply(vertex.normal);
        }
        self.body.build(&mut mesh, detail, |p| self.place_body(p));
        if let Some(hat) = hat {
            hat.build(&mut mesh, detail, &self.head.skull, place);
        }
        mesh
    }

    /// Shades every pixel: surfaces where there are any, the background elsewhere.
    fn paint(&self, canvas: &mut Canvas, mesh: &Mesh, size: usize, samples: usize, finest: f32) {
        let side = canvas.side;
        let scalp = self.scalp();
        let noise = self.noise.averaged(samples);
        let unit = 1.0 / size as f32;
        // The background is smooth: one sample a pixel is enough.
        let mut backdrop = vec![None; size];
        for row in 0..side {
            if row % samples == 0 {
                backdrop.fill(None);
            }
            for column in 0..side {
                let at = row * side + column;
                canvas.colour[at] = match canvas.seen(at) {
                    Some((triangle, [wb, wc])) => {
                        let [a, b, c] =
                            mesh.triangles[triangle].map(|k| &mesh.vertices[k as usize]);
                        let vertex = Vertex::blend(a, b, c, wb, wc);
                        self.shade(mesh.materials[triangle], &vertex, scalp, &noise, finest)
                    }
                    None => *backdrop[column / samples].get_or_insert_with(|| {
                        let x = ((column / samples) as f32 + 0.5) * unit;
                        let y = ((row / samples) as f32 + 0.5) * unit;
                        self.background.at(x, y, &self.noise, unit)
                    }),
                };
            }
        }
    }

    /// What the skin under the hair looks like: the hair's own colour, in its shade.
    fn scalp(&self) -> V3 {
        let share = match self.hair.plan {
            Plan::Bald => 0.0,
            Plan::Buzz => mix(0.75, 0.95, smooth(0.04, 0.09, self.hair.length)),
            Plan::Horseshoe => 0.7,
            _ => 1.0,
        };
        self.skin.tone.mix(self.hair.colour * 0.62, share)
    }

    fn shade(&self, material: Material, at: &Vertex, scalp: V3, noise: &Noise, finest: f32) -> V3 {
        let light = &self.light;
        match material {
            Material::Head => self.skin.face(at, &self.head, noise, light, scalp, finest),
            Material::Ear => self.skin.plain(at, noise, light, finest, 0.9),
            Material::Hat | Material::Brim => match &self.hat {
                Some(hat) => hat.shade(at, material == Material::Brim, noise, light, finest),
                None => V3::default(),
            },
            Material::Body => {
                let dress = self.body.dress(at.rest, at.extra, noise, finest);
                let mut point = *at;
                point.open *= dress.open;
                match dress.colour {
                    None => self.skin.plain(&point, noise, light, finest, 0.15),
                    Some(colour) => {
                        let normal = at.normal.unit() + v3(dress.bend[0], dress.bend[1], 0.0);
                        let surface = super::light::Surface {
                            albedo: colour,
                            normal: normal.unit(),
                            gloss: 0.02,
                            tight: 0.0,
                            wrap: V3::all(0.20),
                            open: point.open,
                        };
                        light.shade(&surface, at.lit)
                    }
                }
            }
        }
    }
}
