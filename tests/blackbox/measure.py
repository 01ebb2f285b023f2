"""Measures a server process under load: `stonecrop bench` makes the load in a process of its own, so that what is
measured is the server's alone."""

import json
import os
import pathlib
import subprocess

import stonecrop

KIB, MIB, GIB = 1024, 1024**2, 1024**3
TICKS = os.sysconf("SC_CLK_TCK")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": stonecrop.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": stonecrop.SECRET_KEY}


def cpu_seconds(pid):
    """CPU time of a process so far, in user and kernel."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, field="VmRSS"):
    """Resident memory of a process: `VmRSS` now, `VmHWM` at its peak."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def reset_peak(pid):
    """Lets the peak of a process's memory start over from what it has now."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def load(endpoint, operation, *flags, environment=CREDENTIALS):
    """Puts one load on an endpoint and returns the report."""
    command = [str(stonecrop.binary()), "bench", operation, "--endpoint", endpoint, "--json", *map(str, flags)]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {result.stderr}")
    return json.loads(result.stdout)


def use_release_build():
    """Measures the release build unless `STONECROP_BINARY` names another."""
    os.environ.setdefault("STONECROP_BINARY", str(stonecrop.ROOT / "target/release/stonecrop"))


def machine():
    """One line on what was measured on."""
    cpu = next(line for line in open("/proc/cpuinfo") if line.startswith("model name")).split(":", 1)[1].strip()
    return f"{cpu}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start"
