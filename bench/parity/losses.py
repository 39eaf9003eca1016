"""Losses with their gradients: timm's of classes, pytorch-metric-learning's of embeddings; all in f64."""

import math

import torch
from pytorch_metric_learning import losses as metric
from pytorch_metric_learning import miners
from timm.data.mixup import one_hot
from timm.loss import BinaryCrossEntropy, SoftTargetCrossEntropy

from formula import rounded, tensor, units

N, C = 6, 5


def soft_target(labels, smoothing):
    """As `timm.data.mixup.mixup_target` smooths each half, which it does in f32."""
    off = smoothing / C
    target = torch.nn.functional.one_hot(labels, C).double() * (1.0 - smoothing) + torch.tensor(off, dtype=torch.float64)
    torch.testing.assert_close(target.float(), one_hot(labels, C, on_value=1.0 - smoothing + off, off_value=off))
    return target


class Focal(torch.nn.Module):
    """The softmax form, written out: there is none in torchvision or timm."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        p = logits.softmax(-1)
        return -(target * (1 - p) ** self.gamma * p.log()).sum(-1).mean()


def of_classes():
    mixes = ((0.0, None), (0.1, None), (0.0, 0.3), (0.1, 0.3), (0.2, 1.0))
    functions = [({"kind": "cross_entropy"}, SoftTargetCrossEntropy())]
    functions += [({"kind": "bce", "target_threshold": t}, BinaryCrossEntropy(target_threshold=t)) for t in (None, 0.2)]
    functions += [({"kind": "focal", "gamma": gamma}, Focal(gamma)) for gamma in (0.0, 0.5, 2.0, 5.0)]
    cases = []
    for spec, function in functions:
        for smoothing, lam in mixes:
            if spec.get("target_threshold") is not None and smoothing > 0.0:
                continue
            logits = tensor(5, (N, C), -4.0, 4.0).double().requires_grad_()
            labels = torch.tensor([int(unit * C) for unit in units(6, N)])
            others = labels.flip(0)
            target = soft_target(labels, smoothing)
            if lam is not None:
                target = target * lam + soft_target(others, smoothing) * (1.0 - lam)
            loss = function(logits, target)
            loss.backward()
            cases.append(
                {
                    "spec": spec | {"smoothing": smoothing},
                    "lambda": lam,
                    "labels": labels.tolist(),
                    "labels_b": others.tolist(),
                    "loss": loss.item(),
                    "grad": rounded(logits.grad.flatten().tolist(), 13),
                }
            )
    return cases


# Classes of very different size, one of a single image.
LABELS = [0, 0, 1, 2, 2, 2, 0, 3, 1, 2, 0, 1]
WIDTH = 7


def of_embeddings():
    cases = []
    labels = torch.tensor(LABELS)

    def record(spec, loss, inputs):
        loss.backward()
        grads = [rounded(x.grad.flatten().tolist(), 13) for x in inputs]
        cases.append({"spec": spec, "loss": loss.item(), "grads": grads})

    def embedding():
        return tensor(41, (len(LABELS), WIDTH), -0.5, 1.0).double().requires_grad_()

    for pos, neg in ((0.0, 1.0), (0.4, 0.8)):
        x = embedding()
        spec = {"kind": "contrastive", "pos_margin": pos, "neg_margin": neg}
        record(spec, metric.ContrastiveLoss(pos_margin=pos, neg_margin=neg)(x, labels), [x])
    for margin in (0.05, 0.3):
        for mining in ("batch_hard", "semi_hard"):
            x = embedding()
            miner = {
                "batch_hard": miners.BatchHardMiner(),
                "semi_hard": miners.TripletMarginMiner(margin=margin, type_of_triplets="semihard"),
            }[mining]
            loss = metric.TripletMarginLoss(margin=margin)(x, labels, miner(x, labels))
            record({"kind": "triplet", "mining": mining, "margin": margin}, loss, [x])
    for temperature in (0.07, 0.5):
        x = embedding()
        record({"kind": "sup_con", "temperature": temperature}, metric.SupConLoss(temperature)(x, labels), [x])
    for margin, scale in ((0.5, 64.0), (0.3, 8.0)):
        x = embedding()
        weight = tensor(42, (4, WIDTH), -1.0, 1.0).double()
        # The first image points away from its class: beyond pi - margin.
        weight[LABELS[0]] = -x[0].detach() + 0.01 * weight[LABELS[0]]
        weight.requires_grad_()
        loss = metric.ArcFaceLoss(4, WIDTH, margin=math.degrees(margin), scale=scale)
        loss.W = torch.nn.Parameter(weight.t().detach().clone())
        value = loss(x, labels)
        value.backward()
        grads = [rounded(x.grad.flatten().tolist(), 13), rounded(loss.W.grad.t().flatten().tolist(), 13)]
        spec = {"kind": "arc_face", "margin": margin, "scale": scale}
        cases.append({"spec": spec, "loss": value.item(), "grads": grads, "weight": weight.flatten().tolist()})
    return {"labels": LABELS, "width": WIDTH, "runs": cases}


def neighbours():
    """Recall at 1, and the vote of 20 neighbours weighted by exp(cosine / 0.07), of scikit-learn."""
    import numpy
    from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

    n, m, width, n_classes = 40, 90, 6, 5
    labels = (units(50, n) * n_classes).astype(int)
    bank_labels = (units(51, m) * n_classes).astype(int)

    def unit_vectors(key, of):
        # Classes lean to different sides, so that neighbours know something.
        x = tensor(key, (len(of), width), -1.0, 1.0).double().numpy()
        x[range(len(of)), of] += 0.9
        return x / ((x**2).sum(1, keepdims=True) ** 0.5)

    x, bank = unit_vectors(52, labels), unit_vectors(53, bank_labels)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(x).kneighbors(return_distance=False)[:, 0]
    vote = KNeighborsClassifier(20, metric="cosine", weights=lambda apart: numpy.exp((1 - apart) / 0.07))
    return {
        "labels": labels.tolist(),
        "bank_labels": bank_labels.tolist(),
        "width": width,
        "n_classes": n_classes,
        "recall_at_1": float((labels[nearest] == labels).mean()),
        "knn_top1": float(vote.fit(bank, bank_labels).score(x, labels)),
    }
