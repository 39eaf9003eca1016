//! Losses and their gradients against timm's and pytorch-metric-learning's, in f64 and f32, and the scores of
//! neighbours against scikit-learn's: `bench/parity/losses.py`.

use cultivar_spec::trial::Mining;
use cultivar_train::loss::{Mixed, arc_face, classes, cross_entropy, metric};
use cultivar_train::neighbours::{knn_top1, recall_at_1};
use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::{assert_close, assert_within, fixture, formula, values};

/// Bounds on the error of a loss and, by norm, of its gradient, relative to the reference's.
const BOUNDS: [(Kind, f64); 2] = [(Kind::Double, 1e-9), (Kind::Float, 1e-4)];

#[derive(Deserialize)]
struct OfClasses {
    spec: Value,
    lambda: Option<f64>,
    labels: Vec<i64>,
    labels_b: Vec<i64>,
    loss: f64,
    grad: Vec<f64>,
}

#[test]
fn losses_of_classes_are_timms() {
    let cases: Vec<OfClasses> = fixture("losses");
    for case in &cases {
        let labels = Tensor::from_slice(&case.labels);
        let labels_b = Tensor::from_slice(&case.labels_b);
        let mixed = || {
            case.lambda.map(|lambda| Mixed {
                labels: &labels_b,
                lambda,
            })
        };
        let number = |field: &str| case.spec[field].as_f64();
        let smoothing = number("smoothing").expect("every case has one");
        for (kind, bound) in BOUNDS {
            let logits = leaf(&formula::tensor(5, &[6, 5], -4.0, 4.0), kind);
            let loss = match case.spec["kind"].as_str() {
                Some("cross_entropy") => cross_entropy(&logits, &labels, mixed(), smoothing),
                Some("bce") => classes::bce(
                    &logits,
                    &labels,
                    mixed(),
                    smoothing,
                    number("target_threshold"),
                ),
                Some("focal") => {
                    let gamma = number("gamma").expect("a gamma");
                    classes::focal(&logits, &labels, mixed(), smoothing, gamma)
                }
                other => panic!("no loss is called {other:?}"),
            };
            check(
                &format!(
                    "{} in {kind:?}: {} lambda {:?}",
                    name(&case.spec),
                    case.spec,
                    case.lambda
                ),
                &loss,
                &[&logits],
                case.loss,
                std::slice::from_ref(&case.grad),
                bound,
            );
        }
    }
    assert_eq!(cases.len(), 32);
}

#[derive(Deserialize)]
struct OfEmbeddings {
    labels: Vec<i64>,
    width: i64,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    spec: Value,
    loss: f64,
    grads: Vec<Vec<f64>>,
    /// Of the classes, under ArcFace.
    weight: Option<Vec<f64>>,
}

#[test]
fn losses_of_embeddings_are_pytorch_metric_learnings() {
    let cases: OfEmbeddings = fixture("metric_losses");
    let labels = Tensor::from_slice(&cases.labels);
    for run in &cases.runs {
        let number = |field: &str| run.spec[field].as_f64().expect("a number");
        for (kind, bound) in BOUNDS {
            let shape = [cases.labels.len() as i64, cases.width];
            let x = leaf(&formula::tensor(41, &shape, -0.5, 1.0), kind);
            let mut inputs = vec![x.shallow_clone()];
            let loss = match run.spec["kind"].as_str() {
                Some("contrastive") => {
                    metric::contrastive(&x, &labels, number("pos_margin"), number("neg_margin"))
                }
                Some("triplet") => {
                    let mining: Mining =
                        serde_json::from_value(run.spec["mining"].clone()).unwrap();
                    metric::triplet(&x, &labels, mining, number("margin"))
                }
                Some("sup_con") => metric::sup_con(&x, &labels, number("temperature")),
                Some("arc_face") => {
                    let weight = Tensor::from_slice(run.weight.as_ref().expect("weights"));
                    let weight = leaf(&weight.view([-1, cases.width]), kind);
                    inputs.push(weight.shallow_clone());
                    let scale = number("scale");
                    let logits = metric::unit(&x).mm(&metric::unit(&weight).tr()) * scale;
                    let margined = arc_face::with_margin(&logits, &labels, number("margin"), scale);
                    cross_entropy(&margined, &labels, None, 0.0)
                }
                other => panic!("no loss is called {other:?}"),
            };
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            let what = format!("{} in {kind:?}: {}", name(&run.spec), run.spec);
            check(&what, &loss, &inputs, run.loss, &run.grads, bound);
        }
    }
    assert_eq!(cases.runs.len(), 10);
}

fn name(spec: &Value) -> &str {
    spec["kind"].as_str().expect("a kind")
}

fn leaf(x: &Tensor, kind: Kind) -> Tensor {
    x.to_kind(kind).copy().set_requires_grad(true)
}

fn check(
    what: &str,
    loss: &Tensor,
    inputs: &[&Tensor],
    wanted: f64,
    grads: &[Vec<f64>],
    bound: f64,
) {
    loss.backward();
    let error = (loss.double_value(&[]) - wanted).abs();
    assert_within(what, error / wanted.abs(), bound);
    assert_eq!(inputs.len(), grads.len());
    for (input, wanted) in inputs.iter().zip(grads) {
        let found = values(&input.grad());
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let size = norm(&mut wanted.iter().copied());
        let error = norm(&mut found.iter().zip(wanted).map(|(a, b)| a - b));
        assert!(size > 0.0, "{what}: no gradient");
        assert_within(&format!("gradient of {what}"), error / size, bound);
    }
}

#[derive(Deserialize)]
struct Neighbours {
    labels: Vec<usize>,
    bank_labels: Vec<usize>,
    width: i64,
    n_classes: i64,
    recall_at_1: f64,
    knn_top1: f64,
}

#[test]
fn neighbours_vote_as_scikit_learns() {
    let case: Neighbours = fixture("neighbours");
    let embed = |key, of: &[usize]| {
        let x = formula::tensor(key, &[of.len() as i64, case.width], -1.0, 1.0);
        for (row, &class) in of.iter().enumerate() {
            let _ = x.get(row as i64).get(class as i64).g_add_scalar_(0.9);
        }
        metric::unit(&x)
    };
    let classes = |of: &[usize]| {
        let labels: Vec<i64> = of.iter().map(|&class| class as i64).collect();
        Tensor::from_slice(&labels)
    };
    let (x, bank) = (embed(52, &case.labels), embed(53, &case.bank_labels));
    let (labels, bank_labels) = (classes(&case.labels), classes(&case.bank_labels));
    let recall = recall_at_1(&x, &labels);
    let knn = knn_top1(&x, &labels, &bank, &bank_labels, case.n_classes);
    assert_close("recall at 1", &[recall], &[case.recall_at_1], 1e-12, 0.0);
    assert_close(
        "vote of 20 neighbours",
        &[knn],
        &[case.knn_top1],
        1e-12,
        0.0,
    );
}
