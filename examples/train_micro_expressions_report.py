"""What a training on micro-expressions leaves to look at: scores, tables, a confusion matrix."""

import datetime
import importlib.metadata
import json
import os
import platform

import keras
import numpy as np

from fer_data import files
from fer_models import evaluation, recipes

PACKAGES = ("fer-keras", "keras", "tensorflow", "numpy", "scikit-learn")


def record_of(command, settings, data):
    """Return what every report says of the run, ready for JSON."""
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "backend": keras.backend.backend(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, "
        + (", ".join(keras.distribution.list_devices()) or "cpu:0"),
        "settings": settings,
        "data": data.facts,
    }


def write(record, results, names, output):
    """Write report.json, report.md and confusion.png of one scenario.

    Args:
        record: What `record_of` gives, and what the scenario adds to it.
        results: Result of every fold.
        names: Names of the classes.
        output: Folder.

    Returns:
        The content of report.json and the Markdown.
    """
    pairs = [(np.array(r["labels"]), np.array(r["probabilities"]).argmax(-1)) for r in results]
    scores = evaluation.pooled_scores(pairs, names)
    content = record | {
        "scores": scores.to_dict(),
        "most_frequent_class": most_frequent(results, names).to_dict(),
        "datasets": by_dataset(results, names),
        "subjects": by_subject(results, names),
        "validation": validation_of(results),
        "published": published(record),
        "folds": [
            {k: v for k, v in result.items() if k not in ("subjects", "probabilities", "labels")}
            | {"clips": parts}
            for result, parts in zip(results, record["parts"], strict=True)
        ],
    }
    del content["parts"]
    title = f"{record['recipe']['model']}, {record['protocol']}\n"
    title += f"UF1 {scores.uf1:.3f}, UAR {scores.uar:.3f}"
    evaluation.plot_confusion(scores, output / "confusion.png", title)
    text = summary(content, names)
    files.write_text(output / "report.md", text)
    files.write_text(output / "report.json", json.dumps(content, indent=1))
    return content, text


def most_frequent(results, names):
    """Return the scores of saying, in every fold, the training part's most frequent class."""
    pairs = [
        (np.array(r["labels"]), np.full(len(r["labels"]), int(np.argmax(r["train_counts"]))))
        for r in results
    ]
    return evaluation.pooled_scores(pairs, names)


def clips_of(results):
    """Return subject, label and prediction of all tested clips."""
    return (
        np.concatenate([r["subjects"] for r in results]),
        np.concatenate([r["labels"] for r in results]),
        np.concatenate([np.argmax(r["probabilities"], -1) for r in results]),
    )


def by_dataset(results, names):
    """Return UF1, UAR and accuracy of every data set, pooled over its own folds."""
    subjects, labels, said = clips_of(results)
    sets = np.array([str(subject).split("/")[0] for subject in subjects])
    found = {}
    for name in np.unique(sets):
        own = sets == name
        scores = evaluation.pooled_scores([(labels[own], said[own])], names)
        found[str(name)] = {
            "clips": scores.examples, "accuracy": scores.accuracy, "uf1": scores.uf1,
            "uar": scores.uar, "absent": list(scores.absent),
        }  # fmt: skip
    return found


def by_subject(results, names):
    """Return for every tested person the clips and the right ones, in all and of every class."""
    subjects, labels, said = clips_of(results)
    rows = []
    for name in np.unique(subjects):
        own = subjects == name
        rows.append(
            {
                "subject": str(name),
                "clips": int(own.sum()),
                "right": int((labels == said)[own].sum()),
                "classes": {
                    c: [int((own & (labels == i) & (said == i)).sum()),
                        int((own & (labels == i)).sum())]
                    for i, c in enumerate(names)
                },
            }
        )  # fmt: skip
    return rows


def validation_of(results):
    """Return the scores of the validation parts, the mean over folds, or None without any."""
    known = [r["validation"] for r in results if "validation" in r]
    if not known:
        return None
    return {name: float(np.mean([each[name] for each in known])) for name in known[0]}


def published(record):
    """Return the dissertation's figures where it has some of this data set and this network."""
    data = record["data"]
    if len(data["datasets"]) > 1 or record["recipe"]["model"] != "triple_path_ha3dnet":
        return []
    ((name, options),) = data["options"].items()
    # Of CAS(ME)^2 it takes three classes of its own.
    if name == "cas_me2" and options.get("classes") != "own":
        return []
    return [
        {"protocol": paper.faces, **paper.scores}
        for paper in recipes.get("ha3dnet").published
        if paper.data == name
    ]


def heading(content):
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    data, settings = content["data"], content["settings"]
    classes = ", ".join(f"{name} {n}" for name, n in data["classes"].items())
    lines = [
        f"`{content['command']}`",
        "",
        f"{content['date']}; {versions}; {content['backend']}; {content['hardware']}; seed "
        f"{settings['seed']}.",
        "",
        f"{data['clips']:,} clips of {data['subjects']} people ({classes}) of "
        f"{', '.join(data['datasets'])}; {data['unlabelled']:,} without a label are left out.",
    ]
    if data.get("differences"):
        lines += ["", "Not as in MEGC 2019: " + "; ".join(data["differences"]) + "."]
    if settings["dataset"] == ["synthetic"]:
        lines += [
            "",
            "**Rendered people, small frames, a small network and few epochs.** That a network "
            "learns them says that the code works, and nothing about real micro-expressions.",
        ]
    return lines


def choice(content):
    """Return which epoch is scored, in words."""
    if content["select"] == "last":
        return "The last epoch is scored: none is chosen."
    by = "other clips" if content["protocol"].startswith("random") else "other people"
    return (
        f"Scored is the epoch of the least loss on the validation part, {by} than those of the "
        "training and the test. The test part chooses nothing."
    )


def kept_epochs(content):
    """Return which epochs were chosen, in words."""
    if content["select"] == "last":
        return ""
    kept = sorted(fold["epoch"] for fold in content["folds"])
    return f" Chosen: {' to '.join(dict.fromkeys(map(str, (kept[0], kept[-1]))))}."


def summary(content, names):
    """Return the report as Markdown."""
    recipe, scores, base = content["recipe"], content["scores"], content["most_frequent_class"]
    folds = content["folds"]
    lines = [
        f"# {recipe['model']}: {content['scenario']}",
        "",
        *heading(content),
        "",
        *warning(content),
        f"Protocol: {content['protocol']}, {len(folds)} fold{'s' * (len(folds) > 1)}. "
        + choice(content)
        + kept_epochs(content),
        "",
        f"Adam {recipe['learning_rate']:g}, batch {recipe['batch_size']}, "
        f"{recipe['stages'][0]['epochs']} epochs; augmentation {recipe['augmentation']}; classes "
        f"{'weighed' if recipe['class_weights'] else 'not weighed'}; input "
        f"{'grey levels' if content['settings']['raw'] else 'minus the first frame'}, "
        f"{recipe['input_shape']}; network {recipe['model_options']}.",
        "",
    ]
    if len(folds) == 1:
        parts = folds[0]["clips"].items()
        lines += [
            "; ".join(f"{part} {n['clips']} clips of {n['subjects']} people" for part, n in parts)
            + ".",
            "",
        ]
    lines += [
        "| | accuracy | error rate | UF1 | UAR |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {s['accuracy']:.2%} | {s['error_rate']:.2%} | {s['uf1']:.4f} | "
            f"{s['uar']:.4f} |"
            for name, s in (
                (f"{recipe['model']}, all folds pooled", scores),
                ("always the most frequent class of the training part", base),
            )
        ),
        "",
        "| class | precision | recall | F1 | clips |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {c['name']} | {number(c['precision'])} | {number(c['recall'])} | "
            f"{number(c['f1'])} | {c['support']:,} |"
            for c in scores["classes"]
        ),
        f"| *mean of the classes* | {scores['precision']:.4f} | {scores['uar']:.4f} | "
        f"{scores['uf1']:.4f} | {scores['examples']:,} |",
        f"| *weighted by clips* | {scores['weighted_precision']:.4f} | {scores['accuracy']:.4f} | "
        f"{scores['weighted_f1']:.4f} | {scores['examples']:,} |",
        "",
    ]
    if scores["absent"]:
        lines += [f"Without clips in the test, and in no mean: {', '.join(scores['absent'])}.", ""]
    lines += ["![Confusion matrix](confusion.png)", "", *beside(content)]
    if len(content["datasets"]) > 1:
        lines += [
            "| data set | clips | accuracy | UF1 | UAR |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {name} | {s['clips']} | {s['accuracy']:.2%} | {s['uf1']:.4f} | {s['uar']:.4f} |"
                for name, s in content["datasets"].items()
            ),
            "",
        ]
    lines += [
        f"| tested person | clips | right | accuracy | {' | '.join(names)} |",
        "|---|---:|---:|---:|" + "---:|" * len(names),
        *(
            f"| {row['subject']} | {row['clips']} | {row['right']} | "
            f"{row['right'] / row['clips']:.0%} | "
            + " | ".join(f"{right} of {n}" for right, n in row["classes"].values())
            + " |"
            for row in content["subjects"]
        ),
        "",
    ]
    return "\n".join(lines)


def warning(content):
    return [f"> **Warning.** {content['warning']}", ""] if content["warning"] else []


def beside(content):
    """Return lines with the dissertation's figures beside ours."""
    if not content["published"]:
        return []
    ours = content["scores"]
    lines = [
        f"| | ours, {content['protocol']} | "
        + " | ".join(f"Irawan (2025), {p['protocol']}" for p in content["published"])
        + " |",
        "|---|---:|" + "---:|" * len(content["published"]),
    ]
    for name, mine in (
        ("accuracy", f"{ours['accuracy']:.4f}"),
        ("f1", f"{ours['uf1']:.4f} (UF1), {ours['weighted_f1']:.4f} (weighted)"),
    ):
        theirs = " | ".join(f"{p[name]:.4f}" for p in content["published"])
        lines.append(f"| {name.replace('f1', 'F1')} | {mine} | {theirs} |")
    return [
        *lines,
        "",
        "Its splits are random, by clip: people stand on both sides. How its F1 is averaged, and "
        "on what its epoch was chosen, is not known. Compare with a random split of ours alone.",
        "",
    ]


def overview(record, rows, kind, output):
    """Write report.md and report.json of a grid or an ablation; return the Markdown.

    Args:
        record: What `record_of` gives.
        rows: Content and Markdown of every scenario's report, in order.
        kind: `"grid"` or `"ablation"`.
        output: Folder, in which every scenario has its own.
    """
    contents = [content for content, _ in rows]
    lines = [f"# {kind.capitalize()}: {contents[0]['recipe']['model']}", "", *heading(record), ""]
    for content in contents:
        new = [line for line in warning(content) if line and line not in lines]
        lines += [*new, ""] if new else []
    known = [content["validation"] for content in contents]
    if kind == "ablation":
        lines += [
            "The five steps are experiments 10 to 14 of Irawan (2025). Whether its first three "
            "have hybrid attention is not said: we read that the last alone has it.",
            "",
        ]
    lines += [
        f"Protocol: {', '.join(dict.fromkeys(c['protocol'] for c in contents))}. "
        + choice(contents[0]),
        "",
        "| | accuracy | error rate | precision | recall (UAR) | F1 (UF1) | weighted F1 | "
        "validation accuracy | validation loss |",
        "|---|" + "---:|" * 8,
    ]
    for content in contents:
        s, v = content["scores"], content["validation"]
        cells = [f"{s['accuracy']:.2%}", f"{s['error_rate']:.2%}"]
        cells += [f"{s[name]:.4f}" for name in ("precision", "uar", "uf1", "weighted_f1")]
        cells += [f"{v['accuracy']:.2%}", f"{v['loss']:.4f}"] if v else ["-", "-"]
        lines.append(f"| {content['scenario']} | {' | '.join(cells)} |")
    if all(known):
        best = min(contents, key=lambda content: content["validation"]["loss"])
        lines += ["", f"Least validation loss: {best['scenario']}. The best test score of several "
                  "is no score of a model that was chosen without the test."]  # fmt: skip
    lines += ["", *beside_all(contents)]
    text = "\n".join(lines)
    files.write_text(output / "report.md", text)
    content = record | {"kind": kind, "scenarios": contents}
    files.write_text(output / "report.json", json.dumps(content, indent=1))
    return text


def beside_all(contents):
    """Return lines with the dissertation's figures for the table of several scenarios."""
    figures = contents[0]["published"]
    return [
        f"Irawan (2025), {p['protocol']}, which leaks: accuracy {p['accuracy']:.2%}, F1 "
        f"{p['f1']:.4f}.\n"
        for p in figures
    ]


def number(value):
    return "-" if value is None else f"{value:.4f}"
