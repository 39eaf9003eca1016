//! Losses and activations against PyTorch's and timm's, with their gradients.

use cultivar_spec::trial::Activation;
use cultivar_train::activation::Nonlinearity;
use cultivar_train::loss::{Mixed, cross_entropy};
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::{assert_close, fixture, formula, values};

#[derive(Deserialize)]
struct Loss {
    smoothing: f64,
    lambda: Option<f64>,
    labels: Vec<i64>,
    labels_b: Vec<i64>,
    loss: f64,
    grad: Vec<f64>,
}

#[test]
fn cross_entropy_is_timms() {
    for case in fixture::<Vec<Loss>>("losses") {
        let logits = formula::tensor(5, &[6, 5], -4.0, 4.0).set_requires_grad(true);
        let labels = Tensor::from_slice(&case.labels);
        let labels_b = Tensor::from_slice(&case.labels_b);
        let mixed = case.lambda.map(|lambda| Mixed {
            labels: &labels_b,
            lambda,
        });
        let loss = cross_entropy(&logits, &labels, mixed, case.smoothing);
        loss.backward();
        let what = format!("smoothing {}, lambda {:?}", case.smoothing, case.lambda);
        assert_close(&what, &values(&loss), &[case.loss], 0.0, 1e-6);
        assert_close(&what, &values(&logits.grad()), &case.grad, 1e-7, 1e-5);
    }
}

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
