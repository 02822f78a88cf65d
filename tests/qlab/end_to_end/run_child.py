"""`qlab` in a child process, with one hook: `run_child.py HOOK ARGUMENT...`.

HOOK is empty, or several of these, joined by ``;``:

``commits:S``         commit every S seconds
``limit:N``           no file may grow beyond N bytes
``MODULE.FUNCTION:before:N:DO`` or ``...:after:N:DO``
                      at the N-th call of a function, DO: ``kill`` (SIGKILL to
                      itself), ``stop`` (SIGINT, and once more 50 ms later), or
                      the name of a signal
"""

import importlib
import os
import signal
import sys
import threading


def act(what):
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "stop":
        os.kill(os.getpid(), signal.SIGINT)
        again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        os.kill(os.getpid(), getattr(signal, what))


def hook(path, when, nth, what):
    *modules, name = path.split(".")
    owner, rest = None, []
    while owner is None:
        try:
            owner = importlib.import_module(".".join(modules))
        except ModuleNotFoundError:
            rest.insert(0, modules.pop())
    for part in rest:
        owner = getattr(owner, part)
    function = getattr(owner, name)
    calls = 0

    def hooked(*arguments, **more):
        nonlocal calls
        calls += 1
        mine = calls == int(nth)
        if mine and when == "before":
            act(what)
        returned = function(*arguments, **more)
        if mine and when == "after":
            act(what)
        return returned

    setattr(owner, name, hooked)


if __name__ == "__main__":
    hooks, *arguments = sys.argv[1:]
    for each in filter(None, hooks.split(";")):
        first, *rest = each.split(":")
        if first == "commits":
            importlib.import_module("qlab.runfile.writer")._COMMIT_SECONDS = float(rest[0])
        elif first == "limit":
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[0]), int(rest[0])))
        else:
            hook(first, *rest)
    sys.argv[1:] = arguments
    from qlab.cli import main

    main()
