"""Checks the platforms' files: fields that each platform documents, and facts that all of them share.

`cargo xtask test` runs it as `check.py LIBELLUS`; compose.yaml and kubernetes.yaml are checked against their published
schemas beside it. The schemas of Railway, Render and Fly.io are in no package, so the fields that we use are written
down here, with where they are documented.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
USER = "65532:65532"
VARIABLES = {"PORT", "DATABASE_URL", "CORS_ORIGINS", "JWT_SECRET_KEY", "SECRET_KEY"}
PATHS = {"/health", "/ready"}
SECONDS = re.compile(r"\d+s")


def fail(message):
    sys.exit(f"error: {message}")


def expect(what, found, expected):
    if found != expected:
        fail(f"{what} is {found!r}, but it has to be {expected!r}")


def check_fields(where, value, fields):
    """Every key of `value` is in `fields`, with a value of that type, out of that set, or that matches the pattern."""
    for key, found in value.items():
        place = f"{where}.{key}"
        if key not in fields:
            fail(f"{place} is not a field that the platform documents (of those known here: {', '.join(fields)})")
        rule = fields[key]
        if isinstance(rule, dict):
            check_fields(place, found, rule)
        elif isinstance(rule, (set, list)):
            if found not in rule:
                fail(f"{place} is {found!r}, which is none of {sorted(rule)}")
        elif isinstance(rule, re.Pattern):
            if not (isinstance(found, str) and rule.fullmatch(found)):
                fail(f"{place} is {found!r}, which does not match {rule.pattern}")
        elif not isinstance(found, rule) or (rule is int and isinstance(found, bool)):
            fail(f"{place} is {found!r}, not {rule.__name__}")


# https://docs.railway.com/config-as-code/reference
RAILWAY = {
    "$schema": re.compile("https://railway.com/railway.schema.json"),
    "build": {"builder": {"RAILPACK", "DOCKERFILE"}, "dockerfilePath": str, "watchPatterns": list},
    "deploy": {
        "healthcheckPath": PATHS,
        "healthcheckTimeout": int,
        "restartPolicyType": {"ON_FAILURE", "ALWAYS", "NEVER"},
        "restartPolicyMaxRetries": int,
    },
}
# https://fly.io/docs/reference/configuration/
FLY = {
    "app": str,
    "primary_region": re.compile("[a-z]{3}"),
    "kill_signal": {"SIGINT", "SIGTERM"},
    "kill_timeout": SECONDS,
    "build": {"dockerfile": str},
    "env": {"PORT": str, "DATABASE_URL": str},
    "mounts": {"source": re.compile("[a-z0-9_]{1,30}"), "destination": str, "initial_size": re.compile(r"\d+gb")},
    "http_service": {
        "internal_port": int,
        "force_https": bool,
        "auto_stop_machines": {"off", "stop", "suspend"},
        "auto_start_machines": bool,
        "min_machines_running": int,
        "concurrency": {"type": {"connections", "requests"}, "soft_limit": int, "hard_limit": int},
        "checks": list,
    },
    "vm": list,
}
FLY_CHECK = {"method": {"GET"}, "path": PATHS, "interval": SECONDS, "timeout": SECONDS, "grace_period": SECONDS}
FLY_VM = {"size": re.compile(r"(shared|performance)-cpu-\d+x"), "memory": re.compile(r"\d+(mb|gb)")}
# https://render.com/docs/blueprint-spec
RENDER_SERVICE = {
    "type": {"web", "pserv", "worker", "cron"},
    "name": str,
    "runtime": {"docker", "image"},
    "plan": {"free", "starter", "standard", "pro"},
    "dockerfilePath": str,
    "dockerContext": str,
    "healthCheckPath": PATHS,
    "maxShutdownDelaySeconds": int,
    "disk": {"name": str, "mountPath": str, "sizeGB": int},
    "envVars": list,
}
RENDER_VARIABLE = {"key": str, "value": str, "generateValue": bool, "sync": bool}


def main(libellus):
    environment = {"PATH": os.environ.get("PATH", "")}
    shown = subprocess.run([libellus, "config", "--json"], env=environment, check=True, capture_output=True).stdout
    port = next(row["value"] for row in json.loads(shown)["settings"] if row["name"] == "port")
    url = "sqlite:/data/libellus.db"

    def check_environment(where, variables):
        """Platforms' variables mean something to the executable, and cannot be misread by it."""
        expect(f"PORT in {where}", variables.get("PORT"), port)
        given = {name: value for name, value in variables.items() if value and "$" not in value}
        read = subprocess.run([libellus, "config", "--json"], env=environment | given, capture_output=True)
        report = json.loads(read.stdout)
        if read.returncode != 0 or report["findings"] or report["unused"]:
            fail(f"libellus does not understand the variables of {where}: {report['findings']} {report['unused']}")
        if set(variables) - VARIABLES:
            fail(f"{where} sets {sorted(set(variables) - VARIABLES)}, which libellus does not read")

    railway = json.loads((ROOT / "railway.json").read_text())
    check_fields("railway.json", railway, RAILWAY)
    expect("dockerfilePath in railway.json", railway["build"]["dockerfilePath"], "deploy/Dockerfile")

    # A change to anything that the image is built from is a reason to build again.
    seen = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    inputs = [f"{path}/**" if (ROOT / path).is_dir() else path for path in seen]
    inputs += [".dockerignore", "deploy/Dockerfile", "railway.json"]
    expect("watchPatterns in railway.json", railway["build"]["watchPatterns"], inputs)

    fly = tomllib.loads((ROOT / "fly.toml").read_text())
    check_fields("fly.toml", fly, FLY)
    for check in fly["http_service"]["checks"]:
        check_fields("fly.toml: http_service.checks", check, FLY_CHECK)
    for machine in fly["vm"]:
        check_fields("fly.toml: vm", machine, FLY_VM)
    expect("dockerfile in fly.toml", fly["build"]["dockerfile"], "deploy/Dockerfile")
    expect("internal_port in fly.toml", str(fly["http_service"]["internal_port"]), port)
    expect("destination in fly.toml", fly["mounts"]["destination"], "/data")
    expect("DATABASE_URL in fly.toml", fly["env"]["DATABASE_URL"], url)
    check_environment("fly.toml", fly["env"])

    render = yaml.safe_load((ROOT / "render.yaml").read_text())
    expect("the keys of render.yaml", list(render), ["services"])
    for service in render["services"]:
        check_fields("render.yaml: services", service, RENDER_SERVICE)
        for variable in service["envVars"]:
            check_fields("render.yaml: envVars", variable, RENDER_VARIABLE)
        expect("dockerfilePath in render.yaml", service["dockerfilePath"], "./deploy/Dockerfile")
        expect("mountPath in render.yaml", service["disk"]["mountPath"], "/data")
        variables = {variable["key"]: variable.get("value", "") for variable in service["envVars"]}
        expect("DATABASE_URL in render.yaml", variables["DATABASE_URL"], url)
        check_environment("render.yaml", variables)

    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["libellus"]
    expect("user in compose.yaml", compose["user"], USER)
    expect("dockerfile in compose.yaml", compose["build"]["dockerfile"], "deploy/Dockerfile")
    expect("ports in compose.yaml", compose["ports"], [f"127.0.0.1:{port}:{port}"])
    expect("healthcheck in compose.yaml", compose["healthcheck"]["test"], ["CMD", "/libellus", "health"])
    check_environment("compose.yaml", compose["environment"])

    claim, deployment, service = yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    security = pod["securityContext"]
    expect("the user in kubernetes.yaml", f"{security['runAsUser']}:{security['runAsGroup']}", USER)
    expect("fsGroup in kubernetes.yaml", security["fsGroup"], security["runAsGroup"])
    (container,) = pod["containers"]
    expect("containerPort in kubernetes.yaml", str(container["ports"][0]["containerPort"]), port)
    for probe, path in [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")]:
        expect(f"{probe} in kubernetes.yaml", container[probe]["httpGet"], {"path": path, "port": "http"})
    expect("mountPath in kubernetes.yaml", container["volumeMounts"], [{"name": "data", "mountPath": "/data"}])
    volume = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
    expect("claimName in kubernetes.yaml", volume, claim["metadata"]["name"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    expect("the service's selector in kubernetes.yaml", service["spec"]["selector"], labels)
    check_environment("kubernetes.yaml", {item["name"]: item.get("value", "") for item in container["env"]})

    unit = (ROOT / "deploy/libellus.service").read_text()
    variables = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
    check_environment("libellus.service", variables)

    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    for line in [f"USER {USER}", f"EXPOSE {port}", f"PORT={port}", f"DATABASE_URL={url}", 'CMD ["/libellus", "health"]']:
        if line not in dockerfile:
            fail(f"deploy/Dockerfile lacks `{line}`, which the platforms' files rely on")
    print("the platforms' files agree with the executable")


main(sys.argv[1])
