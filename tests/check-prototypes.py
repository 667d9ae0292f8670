#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check-prototypes.py - what a manual page says of a call is what its header says: prototype, errors, switches

For each public function the types and names in the SYNOPSIS of its page are those of the declaration. Each errno that
the comment above the declaration names stands on the page, or on a page to which its ERRORS refer; each that the page
names stands in that comment, in what this refers to, or among the conventions of green.h. If both say without
conditions whether the call switches, they say the same.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
ERRNO = re.compile(r"\bE(?!AI_)[A-Z0-9]{2,}\b")
NO_ERRNO = {"EVENTS", "EVENT", "END", "ENDED", "EXIT", "ERR", "ERROR", "EPOLLIN", "EPOLLOUT"}
# Said once for all calls, in green.h: a hub may lack them.
COMMON = {"EMFILE", "ENFILE"}
WAITING = {"ETIMEDOUT", "ECANCELED", "EDEADLK"}


class Declaration:
    def __init__(self, header, prototype, comment):
        self.header, self.prototype, self.comment = header, prototype, comment
        self.common = ""  # what is said in the header for several calls


def normal(text):
    """One spelling for each prototype."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s*([*(),\[\]])\s*", r"\1", text)
    return text.strip()


def tokens(prototype):
    return re.findall(r"\w+|\W", prototype)


def agree(shown, declared):
    """Lines of a page are short: a parameter's name may be cut, and those of a callback's parameters left out."""
    if shown == declared:
        return True
    bare = re.sub(r"(?<=\)\()[^()]*(?=\))", lambda m: re.sub(r"(?<=[*\s])\w+(?=,|$)", "", m.group(0)), declared)
    if shown is None or shown == bare:
        return shown is not None
    one, other = tokens(shown), tokens(declared)
    return len(one) == len(other) and all(
        a == b or (i + 1 < len(one) and one[i - 1] in "* " and one[i + 1] in ",)" and len(a) > 2 and b.startswith(a))
        for i, (a, b) in enumerate(zip(one, other)))


def errors_in(text):
    return set(ERRNO.findall(re.sub(r'"\w+"', "", text))) - NO_ERRNO


def errors_on(page):
    """The errnos that a page names, which it marks as such."""
    return errors_in("".join(re.findall(r"^\..*\bEr .*\n", page, re.M)))


def about_call(comment):
    return re.match(r"/\*[\s*]*green_\w+[ ,]", comment)


def name_of(statement):
    """The function that STATEMENT declares, or None."""
    found = re.match(r"(?!typedef)[\w\s*]*?\b(green_\w+)\s*\(", statement)
    return found and found.group(1)


def read_header(path):
    """Name -> Declaration. A comment holds for the declarations below it, up to the next one."""
    text = path.read_text()
    calls, shared = {}, []
    comment = ""
    body = re.sub(r"^#(.*\\\n)*.*$", lambda m: " " * len(m.group(0)), text, flags=re.M)
    for piece in re.finditer(r"/\*.*?\*/|(?:enum|struct)\s*\w*\s*\{[^{}]*\}\s*;|[^;/{}]+;", body, re.S):
        statement = piece.group(0).strip()
        if statement.startswith("/*"):
            shared.append(statement)
            comment = statement
        else:
            shared += re.findall(r"/\*.*?\*/", statement, re.S)
            name = name_of(statement)
            if name:
                prototype = re.sub(r"__attribute__.*", "", statement.rstrip(";"), flags=re.S)
                calls[name] = Declaration(path, normal(prototype), comment)
    own = {call.comment for call in calls.values() if about_call(call.comment)}
    for call in calls.values():
        call.common = "".join(one for one in shared if one not in own)
        call.comment = call.comment if call.comment in own else ""
    return calls


def words_of(line):
    """The arguments of a macro of mdoc."""
    return [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', line)]


def synopsis(page):
    """Name -> prototype, as the SYNOPSIS of PAGE has them."""
    calls, kind, name, arguments = {}, "", None, []
    part = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", page, re.S | re.M)
    for line in part.group(1).splitlines():
        macro, _, rest = line.partition(" ")
        if macro == ".Ft":
            kind = " ".join(words_of(rest))
        elif macro == ".Fn":
            name, *arguments = words_of(rest)
            calls[name] = normal(f"{kind} {name}({', '.join(arguments)})")
        elif macro == ".Fo":
            name, arguments = rest.strip(), []
        elif macro == ".Fa":
            arguments += words_of(rest)
        elif macro == ".Fc":
            calls[name] = normal(f"{kind} {name}({', '.join(arguments)})")
    return calls


def headers_of(page):
    return set(re.findall(r"^\.In (\S+)", page, re.M))


def closure(name, calls, seen=None):
    """The errnos of NAME's comment and of what it refers to."""
    seen = set() if seen is None else seen
    if name in seen or name not in calls:
        return set()
    seen.add(name)
    call = calls[name]
    found = errors_in(call.comment) | errors_in(call.common)
    for other in re.findall(r"\bgreen_\w+", call.comment):
        found |= closure(other, calls, seen)
    for header in re.findall(r"green/\w+\.h", call.comment + call.common):
        path = TOP / "include" / header
        found |= errors_in("".join(other.common for other in calls.values() if other.header == path))
    return found


def posix(call):
    """Its errors are those of another call, which no comment here lists."""
    return re.search(r"\w+\([23]\)|POSIX", call.comment + call.common)


def answer(text):
    """What TEXT says after `Switches:`, if that is yes or no without conditions."""
    found = re.search(r"Switches:\s*(yes|no)\b\s*(\.|;|\s*\*/|$)", text, re.M)
    return found and found.group(1)


def pages_of(names):
    """Call -> the name and text of its page."""
    pages = {}
    for path in sorted((TOP / "man").glob("*.3")):
        text = path.read_text()
        head = text[:text.index(".Nd")]
        for call in re.findall(r"^\.Nm (green_\w+)", head, re.M):
            pages[call] = path.name, text
    return {name: pages[name] for name in names if name in pages}


def waits(call):
    """Whether CALL may wait, as its comment or that of its header says by green/sync.h, where the reasons stand."""
    return re.search(r"green/(sync|io)\.h|every wait", call.comment) or \
        "timeout_ms" in call.prototype and "ECANCELED" in call.common


def exported():
    """The calls that the libraries export, so that none is overlooked here."""
    maps = [TOP / "lib/libgreen.map", TOP / "lib/tls/libgreen-tls.map"]
    return set(re.findall(r"\b(green_[a-z]\w*);", "".join(path.read_text() for path in maps)))


def passed_on(page):
    """The calls whose errors PAGE says are passed on."""
    part = page[page.find(".Sh RETURN VALUES"):page.find(".Sh SEE ALSO")]
    return set(re.findall(r"^\.Xr (green_\w+) 3", part, re.M))


def complaints(name, calls, pages):
    call = calls[name]
    page, text = pages[name]
    shown = synopsis(text).get(name)
    if not agree(shown, call.prototype):
        yield f"{page}: shows\n\t{shown}\n    and {call.header.name} has\n\t{call.prototype}"
    wanted = "green/tls.h" if call.header.name == "tls.h" else "green.h"
    if wanted not in headers_of(text):
        yield f"{page}: does not include {wanted}"
    lost = WAITING - errors_on(text) if waits(call) else set()
    if lost:
        yield f"{page}: lacks {' '.join(sorted(lost))}, with which every wait may end, and {name} waits"
    others = "".join(pages[other][1] for other in passed_on(text) if other in pages)
    lost = errors_in(call.comment) - errors_on(text + others)
    if lost:
        yield f"{page}: lacks {' '.join(sorted(lost))}, which {call.header.name} names for {name}"
    if answer(call.comment) and answer(text) and answer(call.comment) != answer(text):
        yield f"{page}: {name}: Switches: {answer(text)}, but {call.header.name}: {answer(call.comment)}"


def unknown_errors(page, text, calls):
    """The errnos of PAGE that no header names for the calls that it is about."""
    here = [name for name in synopsis(text) if name in calls]
    if any(posix(calls[name]) for name in here):
        return set()
    return errors_on(text) - COMMON - set().union(*(closure(name, calls) for name in here))


def main():
    calls = {}
    for header in sorted((TOP / "include" / "green").glob("*.h")):
        calls.update(read_header(header))
    pages = pages_of(calls)
    failed = 0
    missed = exported() - set(calls)
    if missed:
        print("FAILED: no declaration was found of", " ".join(sorted(missed)))
        failed += 1
    for name in sorted(calls):
        wrong = list(complaints(name, calls, pages)) if name in pages else [f"{name}: no page"]
        for line in wrong:
            print("FAILED:", line)
        failed += bool(wrong)
    for page, text in sorted(set(pages.values())):
        unknown = unknown_errors(page, text, calls)
        if unknown:
            print(f"FAILED: {page}: {' '.join(sorted(unknown))}: no header names it")
            failed += 1
    print(f"{len(calls) - failed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
