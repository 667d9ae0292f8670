#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check-rules.py - every rule of man/libgreen-*rules.7 has a test that cites its id, and nothing else is cited

What a citation is stands in HACKING.md: an id elsewhere in a comment is prose and does not count.
--tests ID... prints the tests of rules.
"""

import glob
import itertools
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
# The sections of rules that need no test; each says why instead.
EXEMPT = ("Decided otherwise", "No meaning in C", "Information")
SHORTEST_REASON = 30
ID = r"[A-Z]{1,3}[0-9]{1,3}"
CITED = re.compile(rf"({ID}(?:, {ID})*): \S")
# What stands directly under the comment: a test of a suite; the function of a case; a class of cases, or a row of them;
# a run of a command that is expected to end somehow.
CHECK_TEST = re.compile(r"START_TEST\((\w+)\)")
CASE_FUNCTION = re.compile(r"static void (\w+)\(void\)")
PYTHON_CASE = re.compile(r"class (\w+)|\s+yield (?:from )?(\w+)|\s*[\"(]+(\w+)[\"(,]")
SHELL_TEST = re.compile(r"(?:expect|claim) (\"[^\"]*\"|[\w-]+)")


class Rule:
    def __init__(self, name, section):
        self.name, self.section, self.text = name, section, ""

    @property
    def exempt(self):
        return self.section in EXEMPT


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def order(name):
    family = name.rstrip("0123456789")
    return family, int(name[len(family):])


def rules_of(path, complain):
    """The rules of one page, in its order."""
    section, current, rules = "", [], []
    for line in read(path).splitlines():
        if line.startswith((".Ss ", ".Sh ")):
            section, current = line[4:].strip('"'), []
        elif line.startswith(".It "):
            current = [Rule(name, section) for name in line[4:].replace("\\&", "").split()]
            rules += current
        elif line.startswith(".El"):
            current = []
        for rule in current if not line.startswith((".It", ".\\")) else ():
            rule.text += line + " "
    if section != "SEE ALSO":
        complain(f"{path}: the last section is no SEE ALSO")
    return rules


def all_rules(complain):
    rules = {}
    for path in sorted(glob.glob(os.path.join(TOP, "man", "libgreen*rules.7"))):
        for rule in rules_of(path, complain):
            if not re.fullmatch(ID, rule.name):
                complain(f"{path}: {rule.name} is no id")
            before = rules.get(rule.name)
            if before and (before.section == rule.section or not (before.exempt or rule.exempt)):
                complain(f"{rule.name} is stated twice")
            if not rule.text.strip() or rule.exempt and len(rule.text) < SHORTEST_REASON:
                complain(f"{rule.name}: nothing is said of it")
            # What of a rule is decided otherwise or has no meaning may be told beside the rest of it, which needs its test.
            if not before or before.exempt:
                rules[rule.name] = rule
    return rules


def cited_in(comment):
    """The ids with which a comment begins."""
    text = re.sub(r"^\s*(/\*+|\*|#)\s*", "", comment)
    found = CITED.match(text)
    return found.group(1).split(", ") if found else []


def comment_before(lines, at):
    """The first line with text of the comment that ends on the line before AT, or nothing."""
    end = at - 1
    if end < 0 or not re.search(r"\*/$|^\s*#", lines[end]):
        return ""
    start = end
    if lines[end].lstrip().startswith("#"):
        while start > 0 and lines[start - 1].lstrip().startswith("#"):
            start -= 1
        return lines[start]
    while start > 0 and "/*" not in lines[start]:
        start -= 1
    return lines[start + 1] if lines[start].strip() == "/*" else lines[start]


def cited_by_name(name):
    """A name cites with its first words: s9_to6_words is of S9 and TO6."""
    for word in name.split("_"):
        if not re.fullmatch(ID, word.upper()) or word != word.lower():
            return
        yield word.upper()


def citations_of_suite(path, text, lines):
    for at, line in enumerate(lines):
        found = CHECK_TEST.match(line)
        if found and re.search(rf"tcase_add_\w+\(\w+, {found.group(1)}\b", text):
            yield found.group(1), [*cited_by_name(found.group(1)), *cited_in(comment_before(lines, at))]


def citations_of_cases(path, text, lines):
    """In a program of cases a comment counts before a function that its table has."""
    for at, line in enumerate(lines):
        found = CASE_FUNCTION.match(line)
        row = found and re.search(rf'\{{ "([\w@]+)", {found.group(1)}\b', text)
        if row:
            yield row.group(1), cited_in(comment_before(lines, at))


def citations_of_python(path, text, lines):
    for at, line in enumerate(lines):
        found = PYTHON_CASE.match(line)
        if found and len(re.findall(rf"\b{next(filter(None, found.groups()))}\b", text)) > 1 or line == "class Suite:":
            yield next(filter(None, found.groups())), cited_in(comment_before(lines, at))


def paragraph(lines, at):
    while at < len(lines) and lines[at].strip():
        yield lines[at]
        at += 1


def citations_of_shell(path, text, lines):
    """A comment counts before a paragraph that expects something; of a checker, in the comment it begins with."""
    for at, line in enumerate(lines):
        if at and lines[at - 1].startswith("#") and not line.startswith("#"):
            found = next(filter(None, map(SHELL_TEST.search, paragraph(lines, at))), None)
            if found:
                yield found.group(1), cited_in(comment_before(lines, at))
    if os.path.basename(path).startswith("check-"):
        for line in itertools.takewhile(lambda line: line.startswith("#"), lines):
            yield "all of it", cited_in(line)


READERS = (
    ("tests/test_*.c", citations_of_suite),
    ("tests/*/*.c", citations_of_cases),
    ("tests/*/*/*.c", citations_of_cases),
    ("tests/**/*.py", citations_of_python),
    ("tests/*.sh", citations_of_shell),
    ("examples/*.sh", citations_of_shell),
)


def all_citations():
    """The tests of each id."""
    tests = {}
    for pattern, reader in READERS:
        for path in sorted(glob.glob(os.path.join(TOP, pattern), recursive=True)):
            text = read(path)
            for test, ids in reader(path, text, text.splitlines()):
                for name in ids:
                    tests.setdefault(name, []).append(f"{os.path.relpath(path, TOP)}: {test}")
    return tests


def is_covered(name, rules, tests):
    return name in rules and (rules[name].exempt or name in tests)


def compare(rules, tests, complain):
    for name in sorted(rules, key=order):
        if not is_covered(name, rules, tests):
            complain(f"{name}: no test cites it")
    for name in sorted(set(tests) - set(rules), key=order):
        complain(f"{name}: no page states it, but {tests[name][0]} cites it")


def row(family, names, rules, tests):
    exempt = [sum(rules[name].section == section for name in names) for section in EXEMPT]
    citing = {test for name in names for test in tests.get(name, ())}
    return [family, len(names), sum(name in tests for name in names), *exempt, len(citing)]


def table(rules, tests):
    families = {}
    for name in rules:
        families.setdefault(order(name)[0], set()).add(name)
    head = ["family", "stated", "tested", "otherwise", "not in C", "information", "tests"]
    rows = [row(family, of, rules, tests) for family, of in sorted(families.items())]
    rows.append(row("all", set(rules), rules, tests))
    for line in [head, *rows]:
        print(" ".join(str(cell).rjust(len(title)) for cell, title in zip(line, head)))


def main():
    complaints = []
    rules, tests = all_rules(complaints.append), all_citations()
    if sys.argv[1:2] == ["--tests"]:
        for name in sys.argv[2:] or sorted(rules, key=order):
            print(f"{name}:", *tests.get(name, ["none"]), sep="\n  ")
        return 0
    compare(rules, tests, complaints.append)
    table(rules, tests)
    print(*complaints, sep="\n")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
