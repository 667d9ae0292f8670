# SPDX-License-Identifier: MIT
"""green-gdb.py - gdb commands for the greenlets of a program that is stopped: green list, green bt NUMBER

    (gdb) source scripts/green-gdb.py
    (gdb) green list
    (gdb) green bt 3

They need libgreen's debugging information, and know the frame that context_x86_64.S draws or, with the other
context, what swapcontext has saved.  Which kernel thread is looked at is gdb's choice, as always.
"""
import gdb
import gdb.types

# Of the frame that a switch leaves behind: where each register lies, in bytes.
FRAME = {"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}
FRAME_SIZE = 64


def offset_of(kind, field):
    return next(f.bitpos // 8 for f in gdb.lookup_type(kind).fields() if f.name == field)


def current():
    return gdb.parse_and_eval("green__current")


def greenlets():
    """All of the selected thread's flow, oldest first."""
    here = current()
    if int(here) == 0:
        raise gdb.GdbError("this thread has no greenlets")
    kind = gdb.lookup_type("struct greenlet").pointer()
    head = here["flow"]["all"]
    node = head["next"]
    while node != head.address:
        yield gdb.Value(int(node) - offset_of("struct greenlet", "all")).cast(kind)
        node = node["next"]


def name_of(greenlet):
    name = greenlet["name"].string()
    return name or f"greenlet-{int(greenlet['id'])}"


def state_of(greenlet):
    if greenlet == current():
        return "running"
    if int(greenlet["waiter"]) != 0:
        kind, target = greenlet["waiter"]["kind"].string(), int(greenlet["waiter"]["object"])
        return f"waits for {kind}" + (f" at {target:#x}" if target else "")
    state = str(greenlet["state"]).replace("GREENLET_", "").lower()
    if state != "active":
        return state
    return "waits for its turn" if greenlet["scheduled"] else "suspended in a switch"


def word_at(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def registers_of(greenlet):
    """Those with which GREENLET goes on."""
    context = greenlet["context"]
    if gdb.types.has_field(context.type, "sp"):
        frame = int(context["sp"])
        registers = {name: word_at(frame + offset) for name, offset in FRAME.items()}
        registers["rsp"] = frame + FRAME_SIZE
        return registers
    saved = context["saved"]["uc_mcontext"]["gregs"]
    places = {"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11, "rsp": 15, "rip": 16}
    return {name: int(saved[place]) & (1 << 64) - 1 for name, place in places.items()}


def backtrace(greenlet):
    if greenlet == current():
        gdb.execute("backtrace")
        return
    if "ACTIVE" not in str(greenlet["state"]):
        raise gdb.GdbError("it has no stack to walk")
    wanted = registers_of(greenlet)
    gdb.newest_frame().select()
    saved = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in wanted}
    try:
        for name, value in wanted.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)
        gdb.execute("backtrace")
    finally:
        for name in sorted(saved, key=lambda name: name == "rip"):
            gdb.execute(f"set ${name} = {saved[name]}", to_string=True)


class Green(gdb.Command):
    """Look at the greenlets of the selected thread."""

    def __init__(self):
        super().__init__("green", gdb.COMMAND_STACK, prefix=True)


class List(gdb.Command):
    """green list - all greenlets, oldest first"""

    def __init__(self):
        super().__init__("green list", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for greenlet in greenlets():
            print(f"{int(greenlet['id']):4} {name_of(greenlet):20} {state_of(greenlet)}")


class Backtrace(gdb.Command):
    """green bt NUMBER - the stack of one greenlet; only in a live process, whose registers are put back"""

    def __init__(self):
        super().__init__("green bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for greenlet in greenlets():
            if str(int(greenlet["id"])) == argument.strip():
                backtrace(greenlet)
                return
        raise gdb.GdbError("no greenlet has this number")


Green()
List()
Backtrace()
