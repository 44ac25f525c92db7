//! Feature maps that are computed again: the same bits, less memory, errors instead of aborts.

use meme_torch::tch::{Device, Kind, Tensor};
use meme_torch::{
    Conv2d, Conv2dConfig, Error, Linear, LinearConfig, Parameters, Precision, checkpoint,
    init_thread, resident_memory, silu, to_f32_vec,
};

/// Three residual blocks that share an embedding; each map is used twice inside its block and once
/// by the sum at the end, so its gradient is a sum of three whose order shows in the last bits.
struct Net {
    parameters: Parameters,
    blocks: Vec<(Conv2d, Linear)>,
}

fn share(
    conv: &Conv2d,
    linear: &Linear,
) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor, Error> + use<> {
    let (kernel, bias) =
        (conv.weight.shallow_clone(), conv.bias.as_ref().map(Tensor::shallow_clone));
    let (weight, shift) =
        (linear.weight.shallow_clone(), linear.bias.as_ref().map(Tensor::shallow_clone));
    move |x, embedding| {
        let steering = embedding.linear(&weight, shift.as_ref()).unsqueeze(-1).unsqueeze(-1);
        let h = silu(x)?.conv2d(&kernel, bias.as_ref(), [1], [1], [1], 1);
        Ok(silu(&(h + steering))? + x)
    }
}

impl Net {
    fn new() -> Self {
        let mut parameters = Parameters::new(Device::Cpu, 3, 1);
        let blocks = (0..3)
            .map(|number| {
                let path = &parameters.root() / number;
                let config = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
                let conv = Conv2d::new(&(&path / "conv"), 8, 8, 3, config).unwrap();
                let linear =
                    Linear::new(&(&path / "linear"), 4, 8, LinearConfig::default()).unwrap();
                (conv, linear)
            })
            .collect();
        Self { parameters, blocks }
    }

    /// Gradients of all parameters, of the input and of the embedding.
    fn gradients(&mut self, checkpointed: bool, precision: Precision) -> Vec<Vec<f32>> {
        let values = |count: i64| {
            (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.37)
                .sin()
                .set_requires_grad(false)
        };
        let x = values(2 * 8 * 6 * 6).view([2, 8, 6, 6]).set_requires_grad(true);
        let embedding = values(8).view([2, 4]).set_requires_grad(true);
        self.parameters.zero_grad();
        let loss = {
            let _autocast = precision.autocast(Device::Cpu).unwrap();
            let (mut h, mut all) = (x.shallow_clone(), x.shallow_clone());
            for (conv, linear) in &self.blocks {
                let block = share(conv, linear);
                h = if checkpointed {
                    let (again, input, steering) =
                        (share(conv, linear), h.shallow_clone(), embedding.shallow_clone());
                    checkpoint(|| block(&h, &embedding), move || again(&input, &steering)).unwrap()
                } else {
                    block(&h, &embedding).unwrap()
                };
                all = all.g_add(&h);
            }
            all.square().mean(Kind::Float)
        };
        loss.backward();
        let mut gradients: Vec<Vec<f32>> = self
            .parameters
            .gradients()
            .iter()
            .map(|(_, gradient)| to_f32_vec(gradient).unwrap())
            .collect();
        gradients.extend([x.grad(), embedding.grad()].map(|it| to_f32_vec(&it).unwrap()));
        gradients
    }
}

#[test]
fn gradients_have_the_bits_of_those_without_it_also_under_autocast() {
    init_thread(1).unwrap();
    let mut net = Net::new();
    for precision in [Precision::F32, Precision::Bf16] {
        let plain = net.gradients(false, precision);
        assert_eq!(plain.len(), 14);
        assert_eq!(plain, net.gradients(true, precision), "{precision}");
    }
    let (single, half) =
        (net.gradients(true, Precision::F32), net.gradients(true, Precision::Bf16));
    assert_ne!(single, half, "autocast was not on when the region was computed again");
}

#[test]
fn maps_inside_a_region_are_not_kept() {
    init_thread(1).unwrap();
    const MIB: i64 = 1 << 20;
    // Five maps of 40 MiB: more than the C library keeps when they are freed.
    let held = |checkpointed: bool| {
        let x = Tensor::ones([10 * MIB], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let input = x.shallow_clone();
        let chain = |x: &Tensor| -> Result<Tensor, Error> {
            (0..5).try_fold(x.shallow_clone(), |h, _| silu(&h))
        };
        let before = resident_memory().unwrap();
        let y = if checkpointed {
            checkpoint(|| chain(&x), move || chain(&input)).unwrap()
        } else {
            chain(&x).unwrap()
        };
        let after = resident_memory().unwrap();
        y.sum(Kind::Float).backward();
        after.saturating_sub(before) / MIB as u64
    };
    let (plain, checkpointed) = (held(false), held(true));
    assert!(plain > 160, "{plain} MiB");
    assert!(checkpointed < 80, "{checkpointed} MiB");
}

#[test]
fn a_region_can_be_gone_through_twice() {
    let x = Tensor::from_slice(&[0.5f32, -1.0]).set_requires_grad(true);
    let input = x.shallow_clone();
    let y = checkpoint(|| silu(&silu(&x)?), move || silu(&silu(&input)?)).unwrap();
    let sum = y.sum(Kind::Float);
    let first = Tensor::run_backward(&[&sum], &[&x], true, false);
    let second = Tensor::run_backward(&[&sum], &[&x], false, false);
    assert_eq!(first[0], second[0]);
}

#[test]
fn a_region_inside_a_region_and_one_without_gradients_are_as_if_they_were_not_there() {
    let x = Tensor::from_slice(&[0.5f32, -1.0]).set_requires_grad(true);
    let twice = |x: &Tensor| -> Result<Tensor, Error> {
        let (input, h) = (x.shallow_clone(), x.shallow_clone());
        checkpoint(move || silu(&silu(&h)?), move || silu(&silu(&input)?))
    };
    let input = x.shallow_clone();
    checkpoint(|| twice(&x), move || twice(&input)).unwrap().sum(Kind::Float).backward();
    let nested = x.grad().copy();
    let mut x = x;
    x.zero_grad();
    silu(&silu(&x).unwrap()).unwrap().sum(Kind::Float).backward();
    assert_eq!(x.grad(), nested);

    let again = || -> Result<Tensor, Error> { unreachable!("nothing is computed again") };
    let y = meme_torch::tch::no_grad(|| checkpoint(|| silu(&x), again)).unwrap();
    assert!(!y.requires_grad());
}

/// What backward says of a region that does `again` the second time.
fn failure(again: impl Fn(&Tensor) -> Result<Tensor, Error> + 'static) -> String {
    let x = Tensor::from_slice(&[0.5f32]).set_requires_grad(true);
    let input = x.shallow_clone();
    let y = checkpoint(|| silu(&silu(&x)?), move || again(&input)).unwrap();
    y.sum(Kind::Float).f_backward().unwrap_err().to_string()
}

#[test]
fn what_goes_wrong_the_second_time_is_an_error_of_backward() {
    let error = failure(|_| {
        Err(Error::Invalid { what: "the second time".to_owned(), rule: "fails".to_owned() })
    });
    assert!(error.contains("failed when it was computed again: the second time: fails"), "{error}");
    let error = failure(|_| panic!("on purpose"));
    assert!(error.contains("it panicked"), "{error}");
    let error = failure(silu);
    assert!(error.contains("needs 2 tensors for its gradient, but"), "{error}");
    // And the next region is none the worse for it.
    let x = Tensor::from_slice(&[0.5f32]).set_requires_grad(true);
    let input = x.shallow_clone();
    checkpoint(|| silu(&x), move || silu(&input)).unwrap().backward();
    assert!(x.grad().defined());
}
