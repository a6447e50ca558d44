"""Trains the digits network on scikit-learn's bundled handwritten digits and writes digits.onnx,
calibration.npz and test.npz.

Not needed to use the example: the files are committed. To make them again, with PyTorch and scikit-learn:

    pip install torch scikit-learn onnx
    python examples/digits/train.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, SEED = 60, 64, 7
CALIBRATION, TEST = 128, 300


def network() -> nn.Sequential:
    """8x8 grey image to ten scores: two convolutions with batch normalization, a depthwise-separable one, a head."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(128, 10),
        nn.Softmax(dim=1),
    )


def train(model: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> None:
    """Adam on the cross entropy of the scores before the softmax."""
    logits = model[:-1]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits(x[batch]), y[batch]).backward()
            optimizer.step()
        schedule.step()


def main() -> None:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=TEST, random_state=SEED, stratify=labels
    )

    model = network()
    train(model, torch.from_numpy(x_train), torch.from_numpy(y_train))
    model.eval()
    with torch.no_grad():
        predictions = model(torch.from_numpy(x_test)).argmax(dim=1).numpy()
    print(f"test accuracy {np.mean(predictions == y_test):.4f} on {len(y_test)} images")

    torch.onnx.export(
        model, (torch.zeros(1, 1, 8, 8),), HERE / "digits.onnx", input_names=["image"], output_names=["digit"],
        opset_version=13, dynamo=False, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    onnx.checker.check_model(onnx.load(HERE / "digits.onnx"))
    np.savez_compressed(HERE / "calibration.npz", image=x_train[:CALIBRATION])
    np.savez_compressed(HERE / "test.npz", image=x_test, label=y_test.astype(np.uint8))


if __name__ == "__main__":
    main()
