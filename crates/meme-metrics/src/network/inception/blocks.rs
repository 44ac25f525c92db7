//! The eleven mixed blocks: branches side by side, put together by channels.

use meme_torch::tch::{Device, TchError, Tensor};

use super::super::weights::WeightFile;
use super::layers::{Conv, Geometry};
use crate::Result;

/// A pool in front of a branch; all of 3 x 3.
#[derive(Clone, Copy, Debug)]
enum Pool {
    /// Mean of what lies inside the picture: TensorFlow's, not PyTorch's default.
    Mean,
    /// Maximum, keeping the size.
    Maximum,
    /// Maximum, halving the size.
    Halving,
}

/// One branch: a pool, convolutions one after the other, and then perhaps several side by side.
#[derive(Debug)]
struct Branch {
    pool: Option<Pool>,
    trunk: Vec<Conv>,
    fork: Vec<Conv>,
}

/// A mixed block.
#[derive(Debug)]
pub(super) struct Block {
    name: &'static str,
    branches: Vec<Branch>,
}

/// A layer's name, its output channels and its kernel as (height, width).
type Step = (&'static str, usize, [usize; 2]);

/// Reads the branches of one block.
struct Reader<'a> {
    file: &'a WeightFile,
    device: Device,
    name: &'static str,
    channels: usize,
}

impl Reader<'_> {
    fn conv(&self, from: usize, (name, to, kernel): Step, geometry: Geometry) -> Result<Conv> {
        let name = format!("{}.{name}", self.name);
        Conv::read(self.file, &name, [from, to], kernel, geometry, self.device)
    }

    /// Convolutions that keep the size, but for the last one if `halving`.
    fn chain(&self, steps: &[Step], halving: bool) -> Result<Branch> {
        let mut from = self.channels;
        let mut trunk = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let geometry = match halving && number + 1 == steps.len() {
                true => Geometry { stride: 2, same: false },
                false => Geometry { stride: 1, same: true },
            };
            trunk.push(self.conv(from, *step, geometry)?);
            from = step.1;
        }
        Ok(Branch { pool: None, trunk, fork: Vec::new() })
    }

    fn forked(&self, steps: &[Step], fork: &[Step]) -> Result<Branch> {
        let from = steps.last().map_or(self.channels, |step| step.1);
        let same = Geometry { stride: 1, same: true };
        let fork = fork.iter().map(|step| self.conv(from, *step, same)).collect::<Result<_>>()?;
        Ok(Branch { fork, ..self.chain(steps, false)? })
    }

    fn pooled(&self, pool: Pool, to: usize) -> Result<Branch> {
        let branch = self.chain(&[("branch_pool", to, [1, 1])], false)?;
        Ok(Branch { pool: Some(pool), ..branch })
    }

    fn a(&self, pool: usize) -> Result<Vec<Branch>> {
        Ok(vec![
            self.chain(&[("branch1x1", 64, [1, 1])], false)?,
            self.chain(&[("branch5x5_1", 48, [1, 1]), ("branch5x5_2", 64, [5, 5])], false)?,
            self.chain(
                &[
                    ("branch3x3dbl_1", 64, [1, 1]),
                    ("branch3x3dbl_2", 96, [3, 3]),
                    ("branch3x3dbl_3", 96, [3, 3]),
                ],
                false,
            )?,
            self.pooled(Pool::Mean, pool)?,
        ])
    }

    fn b(&self) -> Result<Vec<Branch>> {
        let double = [
            ("branch3x3dbl_1", 64, [1, 1]),
            ("branch3x3dbl_2", 96, [3, 3]),
            ("branch3x3dbl_3", 96, [3, 3]),
        ];
        Ok(vec![
            self.chain(&[("branch3x3", 384, [3, 3])], true)?,
            self.chain(&double, true)?,
            halved(),
        ])
    }

    fn c(&self, narrow: usize) -> Result<Vec<Branch>> {
        let single = [
            ("branch7x7_1", narrow, [1, 1]),
            ("branch7x7_2", narrow, [1, 7]),
            ("branch7x7_3", 192, [7, 1]),
        ];
        let double = [
            ("branch7x7dbl_1", narrow, [1, 1]),
            ("branch7x7dbl_2", narrow, [7, 1]),
            ("branch7x7dbl_3", narrow, [1, 7]),
            ("branch7x7dbl_4", narrow, [7, 1]),
            ("branch7x7dbl_5", 192, [1, 7]),
        ];
        Ok(vec![
            self.chain(&[("branch1x1", 192, [1, 1])], false)?,
            self.chain(&single, false)?,
            self.chain(&double, false)?,
            self.pooled(Pool::Mean, 192)?,
        ])
    }

    fn d(&self) -> Result<Vec<Branch>> {
        let long = [
            ("branch7x7x3_1", 192, [1, 1]),
            ("branch7x7x3_2", 192, [1, 7]),
            ("branch7x7x3_3", 192, [7, 1]),
            ("branch7x7x3_4", 192, [3, 3]),
        ];
        Ok(vec![
            self.chain(&[("branch3x3_1", 192, [1, 1]), ("branch3x3_2", 320, [3, 3])], true)?,
            self.chain(&long, true)?,
            halved(),
        ])
    }

    fn e(&self, pool: Pool) -> Result<Vec<Branch>> {
        let double = [("branch3x3dbl_1", 448, [1, 1]), ("branch3x3dbl_2", 384, [3, 3])];
        Ok(vec![
            self.chain(&[("branch1x1", 320, [1, 1])], false)?,
            self.forked(
                &[("branch3x3_1", 384, [1, 1])],
                &[("branch3x3_2a", 384, [1, 3]), ("branch3x3_2b", 384, [3, 1])],
            )?,
            self.forked(
                &double,
                &[("branch3x3dbl_3a", 384, [1, 3]), ("branch3x3dbl_3b", 384, [3, 1])],
            )?,
            self.pooled(pool, 192)?,
        ])
    }
}

/// The pooled input itself.
fn halved() -> Branch {
    Branch { pool: Some(Pool::Halving), trunk: Vec::new(), fork: Vec::new() }
}

/// All mixed blocks, in order.
pub(super) fn all(file: &WeightFile, device: Device) -> Result<Vec<Block>> {
    let reader = |name, channels| Reader { file, device, name, channels };
    let block = |name, branches: Result<Vec<Branch>>| -> Result<Block> {
        Ok(Block { name, branches: branches? })
    };
    Ok(vec![
        block("Mixed_5b", reader("Mixed_5b", 192).a(32))?,
        block("Mixed_5c", reader("Mixed_5c", 256).a(64))?,
        block("Mixed_5d", reader("Mixed_5d", 288).a(64))?,
        block("Mixed_6a", reader("Mixed_6a", 288).b())?,
        block("Mixed_6b", reader("Mixed_6b", 768).c(128))?,
        block("Mixed_6c", reader("Mixed_6c", 768).c(160))?,
        block("Mixed_6d", reader("Mixed_6d", 768).c(160))?,
        block("Mixed_6e", reader("Mixed_6e", 768).c(192))?,
        block("Mixed_7a", reader("Mixed_7a", 768).d())?,
        block("Mixed_7b", reader("Mixed_7b", 1280).e(Pool::Mean))?,
        // The maximum is probably a slip of the original; FID is what it is with it.
        block("Mixed_7c", reader("Mixed_7c", 2048).e(Pool::Maximum))?,
    ])
}

impl Block {
    pub(super) fn name(&self) -> &str {
        self.name
    }

    pub(super) fn convolutions(&self) -> impl Iterator<Item = &Conv> {
        self.branches.iter().flat_map(|branch| branch.trunk.iter().chain(&branch.fork))
    }

    pub(super) fn forward(&self, x: &Tensor) -> std::result::Result<Tensor, TchError> {
        let mut parts = Vec::new();
        for branch in &self.branches {
            branch.forward(x, &mut parts)?;
        }
        Tensor::f_cat(&parts, 1)
    }
}

impl Branch {
    /// Adds what the branch gives to `parts`.
    fn forward(&self, x: &Tensor, parts: &mut Vec<Tensor>) -> std::result::Result<(), TchError> {
        let mut x = match self.pool {
            None => x.shallow_clone(),
            Some(Pool::Mean) => x.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None)?,
            Some(Pool::Maximum) => x.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false)?,
            Some(Pool::Halving) => x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false)?,
        };
        for conv in &self.trunk {
            x = conv.forward(&x)?;
        }
        for conv in &self.fork {
            parts.push(conv.forward(&x)?);
        }
        if self.fork.is_empty() {
            parts.push(x);
        }
        Ok(())
    }
}
