"""supervisord: starts the parts, starts them again when they die, stops them in order.

Settings reach the parts through the environment in which supervisord itself starts: its own file expands a percent
sign twice in some places, and would show secrets.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from xmlrpc.client import Fault

import psutil

from infra.local import record
from infra.local.listener import NAME, Supervisor, connect
from infra.local.parts import Part
from infra.settings import Settings

SOCKET_LIMIT = 100
BASE = """\
[supervisord]
logfile={var}/logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={pid}
directory={cwd}
childlogdir={var}/logs

[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[eventlistener:{listener}]
command={command}
events=PROCESS_STATE
buffer_size=1000
priority=1
stderr_logfile={var}/logs/{listener}.log
stderr_logfile_maxbytes=1MB
stderr_logfile_backups=1
"""

PROGRAM = """
[program:{name}]
command={command}
environment=SIGHTLOG_PROCESS="{name}"
autostart=false
autorestart=true
startsecs=1
startretries=4
priority={priority}
stopsignal={stop}
stopwaitsecs={patience}
killasgroup=true
redirect_stderr=true
stdout_logfile={var}/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def home(settings: Settings) -> Path:
    return settings.var / "supervisor"


def socket(settings: Settings) -> Path:
    """A socket's path is short by law of the kernel; a deep checkout gets one among the temporary files."""
    near = home(settings) / "control.sock"
    if len(bytes(near)) <= SOCKET_LIMIT:
        return near
    mark = hashlib.sha256(bytes(settings.var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"sightlog-{os.getuid()}-{mark}" / "control.sock"


def plain(text: str) -> str:
    """supervisord expands percent signs, once in some places and twice in others."""
    if "%" in text:
        raise RuntimeError(f"supervisord cannot work with a percent sign in a path: {text}")
    return text


def configuration(settings: Settings, parts: Iterable[Part]) -> str:
    var = plain(str(settings.var))
    known = {"var": var, "cwd": plain(os.getcwd()), "pid": f"{plain(str(home(settings)))}/supervisord.pid"}
    line = [sys.executable, "-m", "infra.local.listener", str(settings.var), str(socket(settings))]
    named = {"socket": plain(str(socket(settings))), "command": plain(shlex.join(line)), "listener": NAME}
    programs = (
        PROGRAM.format(
            name=part.name,
            var=var,
            command=plain(shlex.join(part.command(settings))),
            priority=part.priority,
            stop=part.stop,
            patience=part.patience,
        )
        for part in parts
    )
    return BASE.format(**known, **named) + "".join(programs)


def running(settings: Settings) -> Supervisor | None:
    """The supervisord of this var directory, if it lives and is not on its way out."""
    if not socket(settings).exists():
        return None
    supervisor = connect(str(socket(settings)))
    try:
        supervisor.getState()
    except (OSError, Fault):
        return None
    return supervisor


def daemon(settings: Settings) -> psutil.Process | None:
    """Its process; a pid that now belongs to something else does not count."""
    file = home(settings) / "supervisord.pid"
    try:
        process = psutil.Process(int(file.read_text(encoding="ascii")))
        return process if str(configuration_file(settings)) in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def configuration_file(settings: Settings) -> Path:
    return home(settings) / "supervisord.conf"


def start(settings: Settings, parts: Iterable[Part]) -> Supervisor:
    """Write the configuration and start the daemon; no part starts by itself."""
    home(settings).mkdir(parents=True, exist_ok=True)
    socket(settings).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.var / "logs").mkdir(exist_ok=True)
    if (leaving := daemon(settings)) is not None:
        await_end(leaving, settings)
    file = configuration_file(settings)
    file.write_text(configuration(settings, parts), encoding="utf-8")
    line = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(file)]
    bytecode = {"PYTHONDONTWRITEBYTECODE": ""}  # compiling everything anew costs each start of a part two seconds
    here = {**os.environ, **bytecode, "SIGHTLOG_VAR": str(settings.var), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(line, env=here, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"supervisord did not start: {done.stdout}{done.stderr}")
    return until_running(settings)


def until_running(settings: Settings, patience: float = 15.0) -> Supervisor:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (supervisor := running(settings)) is not None:
            return supervisor
        time.sleep(0.05)
    raise RuntimeError(f"supervisord did not answer; see {settings.var}/logs/supervisord.log")


def stop(settings: Settings, patience: float = 90.0) -> bool:
    """Stop every part, then the daemon; false where nothing ran."""
    process, supervisor = daemon(settings), running(settings)
    if supervisor is not None:
        supervisor.shutdown()
    if process is not None:
        await_end(process, settings, patience)
    if (settings.var / "stack.json").is_file():
        record.change(settings.var, lambda known: {**known, "processes": {}})
    return process is not None


def await_end(process: psutil.Process, settings: Settings, patience: float = 90.0) -> None:
    try:
        process.wait(patience)
    except psutil.TimeoutExpired as late:
        raise RuntimeError(f"the stack did not stop within {patience:.0f} s; see {settings.var}/logs") from late
