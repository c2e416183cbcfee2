"""Inspect a VIMH dataset, train and test in plain Lightning.

python examples/vimh_training.py --demo --save-plots
python examples/vimh_training.py --data data/vimh-32x32x3_mine --epochs 20 --save-plots
python examples/vimh_training.py --demo --analyze-only --checkpoint runs/vimh_training/model.ckpt
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from matplotlib.figure import Figure

from multihead import MultiheadError, MultiheadLitModule, SimpleCNN, VIMHDataModule
from multihead.datasets.resonator.generate import generate
from multihead.datasets.resonator.plan import Plan
from multihead.figures.confusion import confusion_figure, confusion_matrix
from multihead.heads.artifacts.confusion import Confusion
from multihead.inspection.findings import findings, heads_table
from multihead.inspection.inspect import Inspection, inspect_sources
from multihead.report.dataset import save_dataset_picture, write_dataset_page


def main() -> None:
    """Inspect, train or load, test, and write `results.json`."""
    args = parse()
    seed_everything(args.seed, verbose=False)
    args.out.mkdir(parents=True, exist_ok=True)
    data = VIMHDataModule(demo(args) if args.demo else args.data, args.batch_size, seed=args.seed)
    inspection = look(data)
    if args.save_plots:
        # Sample images with labels, histograms of labels, and dependence between heads.
        save_dataset_picture(inspection, args.out / "dataset.png")
        write_dataset_page(inspection, args.out / "dataset.html")

    module = MultiheadLitModule(
        partial(SimpleCNN, conv1_channels=16, fc_hidden=64, dropout=0.0),
        partial(torch.optim.Adam, lr=args.lr),
        torch.optim.lr_scheduler.CosineAnnealingLR,
    )
    trainer = Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False)
    checkpoint = args.checkpoint
    if not args.analyze_only:
        trainer.fit(module, data)
        checkpoint = args.out / "model.ckpt"
        trainer.save_checkpoint(checkpoint, weights_only=False)  # includes the optimizer
    (metrics,) = trainer.test(module, data, ckpt_path=checkpoint, weights_only=True)

    if args.save_plots:
        plot_predictions(module, metrics, args.out)
    results = {
        "data": str(data.data_dir),
        "samples": {split: facts.count for split, facts in inspection.splits.items()},
        "heads": data.heads.to_record(),
        "findings": findings(inspection),
        "checkpoint": str(checkpoint),
        "metrics": metrics,
    }
    (args.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print("\n".join(f"wrote {path}" for path in sorted(args.out.iterdir()) if path.is_file()))


def demo(args: argparse.Namespace) -> Path:
    """Generate a dataset of string sounds with known note and velocity, if it does not exist."""
    folder: Path = args.out / f"vimh-32x32x3_demo_{args.size}"
    if not folder.exists():
        print(f"generating {args.size:,} notes in {folder}")
        generate(Plan(size=args.size, seed=args.seed), folder)
    return folder


def look(data: VIMHDataModule) -> Inspection:
    """Print the heads of the dataset and possible problems."""
    inspection = inspect_sources({"train": data.train_source, "test": data.test_source})
    print(heads_table(inspection).to_string(index=False))
    for text in findings(inspection) or ["nothing stands out"]:
        print(f"- {text}")
    return inspection


def plot_predictions(module: MultiheadLitModule, metrics: dict[str, float], out: Path) -> None:
    """Draw confusion matrices of classifications, and predicted against true parameters."""
    for name, artifacts in module.artifacts.of_head.items():
        head, (counted, *_) = module.heads[name], artifacts
        pairs = counted.counts()
        if isinstance(counted, Confusion):
            classes = head.classes or [f"{head.decode(code):g}" for code in range(head.num_classes)]
            title = f"{name}: accuracy {metrics[f'test/{name}_acc']:.3f}"
            matrix = confusion_matrix(pairs, head.num_classes)
            confusion_figure(matrix, classes, title, out / f"confusion_{name}.png")
        else:
            title = f"{name}: mean error {metrics[f'test/{name}_mae']:.3g} {head.unit}"
            figure = Figure(figsize=(5, 5), layout="constrained")
            axes = figure.add_subplot(title=title, xlabel="true", ylabel="predicted")
            true, predicted = head.decode(pairs[:, 0]), head.decode(pairs[:, 1])
            axes.axline((true[0], true[0]), slope=1, color="0.6", linewidth=1)
            axes.scatter(true, predicted, s=8 * pairs[:, 2], alpha=0.5)
            figure.savefig(out / f"predicted_{name}.png", dpi=120)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of a VIMH dataset")
    parser.add_argument("--demo", action="store_true", help="generate a small dataset and use it")
    parser.add_argument("--size", type=int, default=4096, help="samples of the demo")
    parser.add_argument("--out", type=Path, default=Path("runs/vimh_training"))
    parser.add_argument("--save-plots", action="store_true", help="write pictures and a page")
    parser.add_argument("--analyze-only", action="store_true", help="test without training")
    parser.add_argument("--checkpoint", type=Path, help="what --analyze-only tests")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.demo == (args.data is not None):
        parser.error("give either --demo or --data FOLDER")
    if args.analyze_only != (args.checkpoint is not None):
        parser.error("--analyze-only and --checkpoint go together")
    return args


if __name__ == "__main__":
    try:
        main()
    except MultiheadError as error:
        sys.exit(f"vimh_training: {error}")
