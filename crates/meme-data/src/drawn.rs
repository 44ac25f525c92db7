//! The built-in faces as a source of pictures.

use crate::faces::Faces;
use crate::{Error, HashDepth, ImageSource, Result, RgbImage};

/// Side of the portraits that go into the hash.
const HASHED_SIDE: usize = 64;
/// How many of them.
const HASHED: u64 = 4;

/// A number of built-in faces, drawn when they are asked for at the size that is asked for.
#[derive(Debug, Clone)]
pub struct DrawnFaces {
    seed: u64,
    names: Vec<String>,
}

impl DrawnFaces {
    /// The first `count` faces of `seed`.
    pub fn new(seed: u64, count: usize) -> Self {
        Self { seed, names: (0..count).map(|face| format!("face-{seed}-{face:06}")).collect() }
    }

    /// The same faces under names in two folders, as pictures of two classes have them: `glasses` and
    /// `no-glasses`.
    pub fn by_class(seed: u64, count: usize) -> Self {
        let name = |face: usize| {
            let glasses = Faces::wears_glasses(seed, face as u64);
            let class = if glasses { "glasses" } else { "no-glasses" };
            format!("{class}/face-{seed}-{face:06}")
        };
        Self { seed, names: (0..count).map(name).collect() }
    }
}

impl ImageSource for DrawnFaces {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    fn image(&self, index: usize, resolution: usize) -> Result<RgbImage> {
        if index >= self.names.len() {
            let len = self.names.len();
            return Err(Error::OutOfRange { what: "the built-in faces", index, len });
        }
        Ok(Faces::draw(self.seed, index as u64, resolution))
    }

    /// Seed and number determine every face; a few small portraits stand for the way they are
    /// drawn, so that faces drawn by another version have another hash.
    fn content_hash(&self, _depth: HashDepth) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"built-in faces");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&(self.names.len() as u64).to_le_bytes());
        for face in 0..HASHED {
            hasher.update(&Faces::draw(self.seed, face, HASHED_SIDE).rgb);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_does_not_depend_on_how_many_there_are_but_the_hash_does() {
        let (few, many) = (DrawnFaces::new(3, 2), DrawnFaces::new(3, 9));
        assert_eq!(few.image(1, 32).unwrap(), many.image(1, 32).unwrap());
        let hash = |faces: &DrawnFaces| faces.content_hash(HashDepth::Names).unwrap();
        assert_ne!(hash(&few), hash(&many));
        assert_ne!(hash(&few), hash(&DrawnFaces::new(4, 2)));
        assert_eq!(few.image(2, 32).unwrap_err().to_string().matches('2').count(), 2);
    }
}
