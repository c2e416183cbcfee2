"""The report on an ablation: what it says, what it must not do, and its tables."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report.ablations import HOSTILE, ablation

from multihead.ablation.affinity import PAIRS, Affinity, grouping_table
from multihead.ablation.definition import load_definition
from multihead.ablation.gains import Gains
from multihead.ablation.record import definition_text
from multihead.ablation.result import Result
from multihead.ablation.statistics import compare
from multihead.errors import ConfigError, DataError
from multihead.report.ablation import page, write
from multihead.report.ablation_overall import MOST_PAIRS, front_cards
from multihead.report.ablation_tables import load, markdown, tables
from multihead.report.charts.arms import arms_of
from multihead.report.costs import cost_table

MANY = ("single", "uniform", "b", "c", "d", "e")


@pytest.fixture(scope="module")
def small() -> Result:
    """Two arms, two heads; one training failed, one head is a function of the other."""
    line = "thickness is a function of digit"
    return ablation(failed=(("uniform", 3),), functions=(line,))


class Reader(HTMLParser):
    """Collects tags, and sees that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


def test_the_page_loads_nothing_and_runs_its_own_script_alone(small: Result) -> None:
    text = page(small)
    assert "default-src 'none'" in text
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", text)
    assert not re.search(r"url\(|@import|\bsrc=", text)
    tags = _read(text).tags
    assert [tag for tag, _ in tags].count("script") == 1
    links = {str(a["href"]) for tag, a in tags if tag == "a"}
    assert all(link.startswith(("#", "http://127.0.0.1:5000/")) for link in links)


def test_it_leads_with_a_sentence_per_head(small: Result) -> None:
    text = page(small)
    for sentence in small.comparison.sentences:
        assert text.index(sentence.replace("'", "&#39;")) < text.index("<table")


def test_failed_runs_and_what_the_protocol_lacks_are_shown(small: Result) -> None:
    text = page(small)
    assert "1 of 18 trainings did not finish" in text
    assert "DivergenceError: the loss is nan at step 41" in text
    assert "Protocol: 1 of 2 met" in text
    assert "thickness is a function of digit" in text


@pytest.mark.parametrize(("epochs", "columns"), [(3, 3), (45, 15)])
def test_cosines_of_gradients_are_a_heat_map_over_epochs(
    epochs: int, columns: int, tmp_path: Path
) -> None:
    result = ablation(epochs=epochs, seeds=2, gradients=True)
    text = page(result)
    _read(text)
    section = text[text.index('id="conflicts"') :].partition("</section>")[0]
    row = section[section.index("digit and thickness") :].partition("</tr>")[0]
    assert row.count("<td") == columns
    assert re.search(r'<td class="h\d">0\.\d+', row)
    assert re.search(r'<td class="n\d">\W*0\.\d+', row)
    write(result, tmp_path)
    assert page(load(tmp_path)) == text
    assert "Cosines of the heads" in markdown(result)


def test_without_a_look_at_gradients_the_page_says_nothing_of_them(small: Result) -> None:
    assert "conflicts" not in page(small)


@pytest.mark.parametrize(
    "arms", [("single", "uniform"), MANY, tuple(f"arm {i}" for i in range(9))], ids=len
)
def test_every_arm_looks_different(arms: tuple[str, ...]) -> None:
    """Without the colours too: by marker and dash."""
    text = page(ablation(arms, seeds=2, epochs=2))
    looks = set(re.findall(r'class="key (arm k\d m\d)"', text))
    assert len(looks) == len(arms)


def test_one_seed_has_no_interval_and_the_page_says_so() -> None:
    text = page(ablation(seeds=1))
    assert "no interval" in text
    assert not re.search(r"\bnan\b", text)


def test_names_of_others_are_text_and_nothing_else() -> None:
    evil = "b\"'>&<img src=x onerror=alert(1)>"
    result = ablation((HOSTILE, evil), (HOSTILE, "$&|`<b>"), seeds=2, epochs=2, name=HOSTILE)
    runs = result.runs.assign(url="javascript:alert(1)", reason=HOSTILE)
    result = replace(result, runs=runs, url="javascript:alert(1)")
    tags = _read(page(result)).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert "img" not in {tag for tag, _ in tags}
    assert all(not name.startswith("on") for _, attributes in tags for name in attributes)
    assert {a["href"] for tag, a in tags if tag == "a"} == {"#statistics"}
    assert "<script>" not in markdown(result).split("```")[0]


def test_the_tables_beside_the_page_are_the_results_own(small: Result, tmp_path: Path) -> None:
    assert write(small, tmp_path / "new") == tmp_path / "new" / "report.html"
    values = pd.read_csv(tmp_path / "new" / "values.csv")
    assert list(values)[:6] == ["arm", "seed", "head", "metric", "split", "value"]
    pd.testing.assert_series_equal(values["value"], small.values["value"])
    statistics = pd.read_parquet(tmp_path / "new" / "statistics.parquet")
    pd.testing.assert_frame_equal(statistics, small.comparison.table)
    wanted = {"arm", "head", "metric", "n", "delta", "ci_low", "ci_high", "p", "p_holm", "verdict"}
    assert wanted <= set(pd.read_csv(tmp_path / "new" / "statistics.csv"))
    text = (tmp_path / "new" / "report.md").read_text()
    assert all(f"## {part}" in text for part in ("Statistics", "Protocol", "Runs", "Values"))


def test_a_report_is_made_again_from_its_own_files(small: Result, tmp_path: Path) -> None:
    first = write(small, tmp_path / "a")
    assert write(load(tmp_path / "a"), tmp_path / "b").read_text() == first.read_text()


def test_heads_are_called_as_their_table_calls_them_and_errors_have_a_unit(tmp_path: Path) -> None:
    result = ablation(("single", "uniform"), ("Groesse_cm", "kind"), metric="mae", gradients=True)
    named = replace(result, titles={"Groesse_cm": "Größe (cm)"}, units={"Groesse_cm": "cm"})
    write(named, tmp_path)
    found = page(load(tmp_path))
    assert "Größe (cm), mae [cm]" in found
    assert "uniform, Größe (cm): " in found
    assert "Groesse_cm" not in found
    words = json.loads((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps({**words, "titles": {"kind": 1}}))
    with pytest.raises(DataError, match="titles or units"):
        load(tmp_path)


def test_the_file_that_the_first_command_names_defines_what_was_run(tmp_path: Path) -> None:
    """Arguments of the command line included, in a report made again from its record too."""
    arguments = ["seeds=[3,5]", "name=mine", "trainer.max_epochs=2"]
    ran = load_definition("digits_single_vs_multitask", arguments)
    lines = {"definition": definition_text(ran), "commands": ("multihead ablate mine.yaml",)}
    result = replace(ablation(name="mine", seeds=2, epochs=2), **lines)
    write(result, tmp_path / "a")
    write(load(tmp_path / "a"), tmp_path / "b")
    for folder in ("a", "b"):
        assert load_definition(str(tmp_path / folder / "mine.yaml")) == ran
    assert "also in the file <code>mine.yaml</code>" in (tmp_path / "a" / "report.html").read_text()


def test_a_record_cannot_write_out_of_the_folder(small: Result, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a valid name"):
        write(replace(small, name="../evil"), tmp_path / "out")
    assert list(tmp_path.rglob("*.yaml")) == []


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("result.json", b"{}"),
        ("result.json", b"{"),
        ("values.parquet", b"PAR1"),
        ("runs.parquet", b""),
    ],
)
def test_damaged_files_of_a_report_are_one_line(
    small: Result, tmp_path: Path, file: str, content: bytes
) -> None:
    write(small, tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=r"damaged or of another version|is not valid JSON"):
        load(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_one_line(small: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written to"):
        write(small, tmp_path / "file")


def test_single_task_networks_cost_their_sum_over_whole_seeds(small: Result) -> None:
    costs = cost_table(small.runs, "single").set_index("arm")
    assert costs.loc["single", "networks"] == 2
    assert costs.loc["single", "parameters"] == 844_000
    assert costs.loc["single", "steps"] == 480
    assert costs.loc["uniform", "finished"] == 5
    assert costs.loc["uniform", "parameters_ratio"] == pytest.approx(431 / 844)


def test_a_record_without_steps_costs_what_it_did(small: Result) -> None:
    """Reports of earlier versions are made again from their records."""
    before = cost_table(small.runs.drop(columns="steps"), "single")
    assert before["steps"].isna().all()
    others = cost_table(small.runs, "single").drop(columns="steps")
    pd.testing.assert_frame_equal(before.drop(columns="steps"), others)


def test_nothing_finished_costs_nothing_known(small: Result) -> None:
    runs = small.runs.assign(state="PENDING", parameters=None, train_seconds=None, epochs=None)
    assert cost_table(runs, "single")["parameters"].isna().all()


def test_an_arm_that_lost_all_its_runs_is_on_the_page() -> None:
    result = ablation(seeds=3, failed=tuple(("uniform", seed) for seed in (1, 2, 3)))
    planned = [(arm, h, "acc") for arm in ("single", "uniform") for h in ("digit", "thickness")]
    found = compare(result.values, "single", lower_is_better=(), planned=planned)
    runs = result.runs.assign(reason="")
    text = page(replace(result, comparison=found, runs=runs))
    assert "2 arms on 2 heads, 0 to 3 seeds each" in text
    assert "uniform, digit: inconclusive against single: no seed has acc in both arms." in text
    assert not re.search(r"\bnan\b", text)


@pytest.fixture(scope="module")
def with_affinity(small: Result) -> Result:
    """Two heads: digit helps thickness by affinity, and in a pair; the other way it harms."""
    columns = {"affinity_sd": 0.01, "trainings": 3, "gain_low": np.nan, "gain_high": np.nan}
    pairs = pd.DataFrame(
        {
            "source": ["digit", "thickness"],
            "target": ["thickness", "digit"],
            "affinity": [0.02, -0.01],
            "gain": [3.1, -0.4],
            **columns,
            **{"seeds": 3, "arm": "uniform"},
        }
    )
    gains = Gains(small.values, {}, {"digit": ("acc",), "thickness": ("acc",)}, 0.95)
    groupings = grouping_table(["digit", "thickness"], pairs, gains)
    found = Affinity(pairs[list(PAIRS)], groupings)
    return replace(small, affinity=found)


def test_affinity_has_a_section_where_it_was_measured(
    small: Result, with_affinity: Result, tmp_path: Path
) -> None:
    assert "Which heads belong together" not in page(small)
    text = page(with_affinity)
    _read(text)
    named = replace(with_affinity, titles={"digit": "digit (0-9)"})
    assert '<th scope="row">digit (0-9)</th><td class="h0">' in page(named)
    assert '<td class="h6">+0.020</td>' in text
    assert '<td class="n3">\u22120.010</td>' in text
    assert "heads: [digit, thickness]" in text
    assert "2 ordered pairs of heads have both values, 4 or more" in text
    assert not re.search(r"\bnan\b", text.partition('id="affinity"')[2].partition("</section>")[0])
    first = write(with_affinity, tmp_path / "a")
    assert write(load(tmp_path / "a"), tmp_path / "b").read_text() == first.read_text()
    assert "## Which heads belong together" in (tmp_path / "b" / "report.md").read_text()


def test_affinity_that_is_not_of_each_head_with_each_is_refused(
    with_affinity: Result, tmp_path: Path
) -> None:
    """A matrix of as many heads as a table has rows could fill the memory."""
    write(with_affinity, tmp_path)
    path = tmp_path / "affinity.parquet"
    table = pd.read_parquet(path)
    many = pd.concat([table] * 1000, ignore_index=True)
    many.assign(source=[f"h{i}" for i in range(2000)]).to_parquet(path)
    with pytest.raises(DataError, match="does not have every pair of heads"):
        load(tmp_path)


def shifted(shifts: dict[str, float], seeds: int) -> Result:
    """An ablation whose arms differ by some shifts, but for noise of 0.001."""
    result = ablation(tuple(shifts), ("digit", "thickness"), seeds)
    noise = np.random.default_rng(0).normal(0, 0.001, len(result.values))
    values = result.values.assign(value=0.9 + result.values["arm"].map(shifts) + noise)
    return replace(result, values=values)


def test_arms_that_seeds_cannot_tell_apart_are_joined() -> None:
    result = shifted({"single": 0.0, "dwa": 0.0001, "mgda": -0.02}, seeds=8)
    text = page(result)
    _read(text)
    assert "not told apart: " in text
    assert re.search(r"Ranks over seeds:</b> (single|dwa) ranks first and is told apart", text)
    assert "told apart from mgda" in markdown(result)


@pytest.mark.parametrize("seeds", [3, 8])
def test_where_ranks_may_be_chance_the_page_says_so_and_joins_nothing(seeds: int) -> None:
    """Too few seeds, and arms that do not differ."""
    text = page(shifted({"single": 0.0, "dwa": 0.0, "mgda": 0.0}, seeds))
    _read(text)
    assert "Ranks over seeds:</b> inconclusive" in text
    assert "not told apart: " not in text


def test_arms_between_two_heads_are_marked_where_none_beats_them() -> None:
    """Networks of one head are lines, and on no front."""
    text = page(shifted({"single": 0.01, "dwa": 0.0, "mgda": -0.02}, seeds=6))
    assert "single: a network per head" in text
    assert "dwa: on the front" in text
    assert "mgda: another arm is at least as good on both heads" in text


def test_of_many_heads_some_pairs_are_drawn_and_all_are_in_the_table() -> None:
    result = ablation(("single", "uniform"), tuple("abcde"))
    arms = arms_of(("single", "uniform"), "single")
    assert len(list(front_cards(result, arms))) == MOST_PAIRS
    assert len(tables(result)["points"]) == 10


def test_two_arms_have_no_ranks_and_one_head_no_front() -> None:
    names = set(tables(ablation(("single", "uniform"), ("digit",))))
    assert not names & {"ranks", "rank_pairs", "points", "front"}
