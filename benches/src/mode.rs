//! In which form and dtype a network computes.

use std::fmt;
use std::str::FromStr;

use meme_torch::Precision;

/// Which of a network's two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Weights folded and laid out for sampling, without gradients.
    Inference,
    /// float32 weights as they are trained, cast at every use where the dtype is another one.
    Training,
}

/// Form and dtype; written `bf16` for inference, `bf16-training` for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The form.
    pub form: Form,
    /// The dtype of products.
    pub precision: Precision,
}

impl Mode {
    /// Every mode of both forms; `f16` is for CUDA.
    pub const ALL: [Mode; 5] = [
        Mode { form: Form::Inference, precision: Precision::F32 },
        Mode { form: Form::Inference, precision: Precision::Bf16 },
        Mode { form: Form::Inference, precision: Precision::F16 },
        Mode { form: Form::Training, precision: Precision::F32 },
        Mode { form: Form::Training, precision: Precision::Bf16 },
    ];
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Inference => "",
            Form::Training => "-training",
        };
        write!(formatter, "{}{form}", self.precision)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Mode::ALL.into_iter().find(|mode| mode.to_string() == name).ok_or_else(|| {
            let known = Mode::ALL.map(|mode| mode.to_string()).join(", ");
            format!("there is no mode {name:?}; there are: {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn every_mode_is_found_by_the_name_it_prints() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("f64".parse::<Mode>().unwrap_err().contains("bf16-training"));
    }
}
