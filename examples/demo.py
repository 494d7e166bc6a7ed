"""Embeds one file under two instructions and shows how the instruction moves the nearest neighbours.

Run by ``make demo``; needs the base install only (no torch, no network). The vectors stay in ``demo-output/``.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import shorten

import numpy as np
import pyarrow.parquet as pq  # noqa: TID253
from numpy.typing import NDArray

HERE = Path(__file__).parent
TEXTS = HERE / "medical_passages.csv"
INSTRUCTIONS = {
    "disease": "Represent the name of the disease in the medical passage: ",
    "question": "Represent what kind of question the passage answers: ",
}
N_NEIGHBOURS = 3
N_SHOWN = 5
WIDTH = 56


def main() -> None:
    """Embed twice, compare, print."""
    output = Path("demo-output")
    output.mkdir(exist_ok=True)
    files = {name: output / f"by_{name}.parquet" for name in INSTRUCTIONS}
    for name, instruction in INSTRUCTIONS.items():
        embed(instruction, files[name])
    rows = pq.read_table(files["disease"], columns=["text", "disease", "question"]).to_pylist()
    found = {name: neighbours(vectors_in(file)) for name, file in files.items()}
    show_rows(rows, found)
    show_totals(rows, found)
    print(f"\nThe vectors are in {' and '.join(map(str, files.values()))}.")


def embed(instruction: str, out: Path) -> None:
    """Run the command that a user would type."""
    arguments = ["embed", str(TEXTS.relative_to(Path.cwd())), "-o", str(out), "--instruction", instruction]
    print(f"$ instructvec {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "instructvec", *arguments], check=True)


def vectors_in(file: Path) -> NDArray[np.float32]:
    """(n, d) float32, the embedding column."""
    column = pq.read_table(file, columns=["embedding"]).column("embedding").combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), -1)


def neighbours(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each row its nearest others, (n, 3), and their cosines, (n, 3); the vectors have length one."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :N_NEIGHBOURS]
    return nearest, np.take_along_axis(cosines, nearest, axis=1)


def show_rows(rows: list[dict[str, str]], found: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]) -> None:
    """The rows whose neighbours moved most, one for each kind of question, both sides next to each other."""
    moved = n_changed(found)
    shown: dict[str, int] = {}
    for row in np.argsort(-moved, kind="stable").tolist():
        shown.setdefault(rows[row]["question"], row)
    print("\nNearest neighbours of some passages (of each kind of question, the one that moved most)")
    for row in list(shown.values())[:N_SHOWN]:
        print(f"\n{label(rows[row])}: {shorten(rows[row]['text'], 2 * WIDTH, placeholder=' …')}")
        print("  ".join(f'  under "{name}"'.ljust(WIDTH) for name in INSTRUCTIONS).rstrip())
        for rank in range(N_NEIGHBOURS):
            cells = [
                f"  {cosines[row, rank]:.2f} {label(rows[nearest[row, rank]])}"
                for nearest, cosines in found.values()
            ]
            print("  ".join(cell.ljust(WIDTH) for cell in cells).rstrip())


def show_totals(
    rows: list[dict[str, str]], found: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]
) -> None:
    """How far all neighbours moved, and whether as asked."""
    moved = n_changed(found)
    total = N_NEIGHBOURS * len(rows)
    print(f"\nOf all {total} neighbours, {moved.sum()} ({moved.sum() / total:.0%}) changed with the instruction;")
    print(f"{(moved > 0).sum()} of {len(rows)} passages have at least one other neighbour.\n")
    print(f"{'share of neighbours':<22}{'same disease':>14}{'same question':>15}")
    for name, (nearest, _) in found.items():
        shares = []
        for column in ("disease", "question"):
            values = np.array([row[column] for row in rows])
            shares.append(float(np.mean(values[nearest] == values[:, None])))
        print(f'{f"""under "{name}" """:<22}{shares[0]:>14.0%}{shares[1]:>15.0%}')


def n_changed(found: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]) -> NDArray[np.int64]:
    """(n,) how many of each row's neighbours under one instruction are not among those under the other."""
    (one, _), (other, _) = found.values()
    return np.array([len(set(a) - set(b)) for a, b in zip(one.tolist(), other.tolist(), strict=True)])


def label(row: dict[str, str]) -> str:
    """What a passage is about, in one cell."""
    return f"{shorten(row['disease'], WIDTH - 22, placeholder=' …')} [{row['question']}]"


if __name__ == "__main__":
    main()
