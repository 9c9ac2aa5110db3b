"""Writes carlini_wagner.csv: Foolbox's Carlini-Wagner attack on Gaussian classifiers, step by step.

    python carlini_wagner.py > carlini_wagner.csv       (made with foolbox 3.3.4 and torch 2.15)

Each row is one image, attacked by itself, so that Foolbox's early abort is that of the one image:
class means, the image, its goal, and what Foolbox did: the L2 distance from the image of the
first candidates, the number of candidates in all, and the distance of the answer (nan without one).
"""

import eagerpy
import foolbox
import numpy as np
import torch

PIXELS, CLASSES, SIGMA, RECORDED = 8, 3, 0.2, 150


class Gaussians(torch.nn.Module):
    """-|x - mean|^2 / (2 sigma^2) for each class; remembers what it was asked."""

    def __init__(self, means):
        super().__init__()
        self.means, self.asked = torch.from_numpy(means), []

    def forward(self, x):
        self.asked.append(x.detach().numpy().copy())
        return -((x[:, None, :] - self.means) ** 2).sum(-1) / (2 * SIGMA**2)


def attack(rng, number):
    means = rng.uniform(0.2, 0.8, (CLASSES, PIXELS)).astype(np.float32)
    label = int(rng.integers(CLASSES))
    x = np.clip(means[label] + rng.normal(0, 0.03, PIXELS), 0, 1).astype(np.float32)
    if number % 4 == 3:  # at the ends of the range
        x[:2] = 0, 1
    targeted, confidence = number % 2 == 1, [0.0, 0.0, 2.0][number % 3]
    target = (label + 1) % CLASSES
    net = Gaussians(means)
    model = foolbox.PyTorchModel(net.eval(), bounds=(0, 1))
    kind = foolbox.criteria.TargetedMisclassification if targeted else foolbox.criteria.Misclassification
    criterion = kind(torch.tensor([target if targeted else label]))
    steps, search = (100, 9) if number % 5 else (60, 11)
    method = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=search, steps=steps, confidence=confidence
    )
    net.asked.clear()
    answer = method.run(model, eagerpy.astensor(torch.from_numpy(x[None])), criterion).raw.numpy()[0]
    distances = [np.linalg.norm(asked[0].astype(np.float64) - x) for asked in net.asked]
    found = np.linalg.norm(answer.astype(np.float64) - x) if np.any(answer) else float("nan")
    text = [" ".join(repr(float(v)) for v in values) for values in (means.ravel(), x)]
    goal = f"{'target' if targeted else 'label'},{target if targeted else label}"
    recorded = " ".join(f"{distance:.9g}" for distance in distances[:RECORDED])
    print(*text, goal, confidence, steps, search, recorded, len(distances), f"{found:.9g}", sep=",")


if __name__ == "__main__":
    print("means,x,goal,class,confidence,steps,search_steps,distances,candidates,l2")
    rng = np.random.default_rng(0)
    for number in range(16):
        attack(rng, number)
