"""`safetygear`: finds the command and turns every failure into one line and an exit code.

Exit codes: 0 done; 1 the run failed; 2 bad input, with one line on stderr that says what and what to do; 130
interrupted.
A command's module is imported when it is called, so that `safetygear --help` does not load FFmpeg and ONNX Runtime.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from safetygear.errors import SafetyGearError, UserError
from safetygear.redact import Redactor

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130
PROGRAM = "safetygear"


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module` has the typer application `app`) and its line in the help."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("simulate", "simulate", "Run the whole solution here: stand-in edge runtime, modules, cameras."),
    Command("camera", "camera", "Serve clips as RTSP cameras, and find out what a camera sends."),
    Command("detect", "detect", "Run a detector on pictures."),
    Command("evaluate", "evaluate", "Measure a detector on pictures whose boxes are known; or two of them."),
    Command("model", "model", "Say what a model is, or why it is refused; make and check packages."),
    Command("learn", "learn", "Examples to people who label and a service that trains; back as a package."),
    Command("bench", "bench", "Measure what the solution costs on this machine."),
    Command("replay", "replay", "Judge recorded detections again, under any rules, or two sets of them."),
    Command("manifest", "manifest", "Make a deployment template with several inference modules."),
    Command("plan", "plan", "Say what a site with so many cameras needs."),
    Command("twin", "twin", "Read and change a module's twin: stand-in or real IoT Hub."),
    Command("method", "method", "Call a module's direct method: stand-in or real IoT Hub."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? for … instead of a traceback
    if not given or given[0] in ("--help", "-h", "help"):
        _print_help()
        return EXIT_OK if given else EXIT_BAD_INPUT
    if given[0] in ("--version", "-V"):
        _print(f"{PROGRAM} {_version()}")
        return EXIT_OK
    command = next((command for command in COMMANDS if command.name == given[0]), None)
    if command is None:
        names = ", ".join(command.name for command in COMMANDS)
        return _fail(f"there is no command {given[0]!r}; there are {names}", EXIT_BAD_INPUT)
    try:
        return _run(command, given[1:])
    except UserError as exc:
        return _fail(_with_notes(exc), EXIT_BAD_INPUT)
    except SafetyGearError as exc:
        return _fail(_with_notes(exc), EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # `safetygear … | head`: nobody reads any more. Python would complain again while flushing at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _run(command: Command, arguments: list[str]) -> int:
    import typer

    name = f"safetygear_workbench.cli.{command.module}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name != name:
            raise UserError(
                f"`{PROGRAM} {command.name}` needs the package {exc.name}.", hint="Run `make demo`."
            ) from exc
        raise UserError(f"`{PROGRAM} {command.name}` is not part of this installation.") from exc
    try:
        result = module.app(args=arguments, prog_name=f"{PROGRAM} {command.name}", standalone_mode=False)
    except typer.TyperException as exc:
        return _fail(f"{_one_line(exc.format_message())} See `{PROGRAM} {command.name} --help`.", exc.exit_code)
    except typer.Exit as exc:
        return exc.exit_code
    except typer.Abort:
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{PROGRAM}: {Redactor().redact(_one_line(message))}\n")
    return code


def _with_notes(exc: SafetyGearError) -> str:
    """What it says, and what was added on its way: how far the work had come."""
    text, notes = str(exc), getattr(exc, "__notes__", [])
    return " ".join([text if not notes or text.endswith(".") else f"{text}.", *notes])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print_help() -> None:
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        f"Usage: {PROGRAM} COMMAND [OPTIONS]",
        "",
        "SafetyGear's workbench. Each command has its own --help; where there is a result there is --json.",
        "",
        *(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS),
        "",
        "Exit codes: 0 done, 1 the run failed, 2 bad input, 130 interrupted.",
    ]
    _print("\n".join(lines))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _version() -> str:
    from importlib.metadata import version

    return version("safetygear-workbench")


if __name__ == "__main__":
    sys.exit(main())
