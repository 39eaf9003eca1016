//! Activations against PyTorch's, with their slopes.

use cultivar_spec::trial::Activation;
use cultivar_train::activation::Nonlinearity;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::{assert_close, fixture, values};

#[derive(Deserialize)]
struct Curve {
    activation: Activation,
    x: Vec<f32>,
    y: Vec<f64>,
    slope: Vec<f64>,
}

#[test]
fn activations_are_torchs() {
    let cases: Vec<Curve> = fixture("activations");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let x = Tensor::from_slice(&case.x).set_requires_grad(true);
        let y = Nonlinearity::choose(case.activation, Nonlinearity::Relu6).apply(&x + 0.0);
        y.sum(Kind::Float).backward();
        let what = format!("{:?}", case.activation);
        assert_close(&what, &values(&y), &case.y, 1e-6, 1e-6);
        assert_close(&what, &values(&x.grad()), &case.slope, 1e-6, 1e-6);
    }
}
