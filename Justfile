# Every recipe calls a script in scripts/, which says what it takes. `./just` lists them.
set positional-arguments

_list:
    @"{{just_executable()}}" --justfile "{{justfile()}}" --list --unsorted

# --- the appliance

# Build if needed and start; AGENTS=claude, BERTH_PROJECTS=/a/folder; --help has all
[no-exit-message]
up *args:
    @scripts/up "$@"

# Stop it and remove the container; the volumes and what you chose stay (--forget: not the choices)
[no-exit-message]
down *args:
    @scripts/down "$@"

# Build the image if its inputs changed
[no-exit-message]
build:
    @scripts/build.sh

# Run the berth command: ./just berth status
[no-exit-message]
berth *args:
    @scripts/in berth "$@"

# Send a message: ./just send 'hello', or ./just send --help
[no-exit-message]
send *args:
    @scripts/in berth send "$@"

# Look at an agent and type to it; Ctrl-b d leaves
[no-exit-message]
attach *args:
    @scripts/in berth attach "$@"

# Edit berth.toml, check it, put it to use
[no-exit-message]
config:
    @scripts/config

# All that the appliance keeps, in a file here: ./just backup my.tar
[no-exit-message]
backup *args:
    @scripts/backup "$@"

# Put a backup in the place of what is there, and restart
[no-exit-message]
restore *args:
    @scripts/restore "$@"

# What the appliance wrote, and go on
[no-exit-message]
logs *args:
    @scripts/logs "$@"

# A root shell inside the appliance
[no-exit-message]
shell:
    @scripts/in bash

# What was found on this machine, what was chosen and why
[no-exit-message]
doctor:
    @scripts/doctor

# --- tests

# Everything a change must pass: lint, unit, golden, musl, fuzz, image, e2e
[no-exit-message]
test *steps:
    @scripts/test.sh "$@"

# Formatting, shellcheck, both compilers' warnings, cppcheck
[no-exit-message]
lint:
    @scripts/dev scripts/lint.sh

# Unit tests under ASan and UBSan
[no-exit-message]
unit:
    @scripts/dev make BUILD=build/asan SAN=1 check

# Golden files
[no-exit-message]
golden *args:
    @scripts/dev scripts/golden.sh "$@"

# The C sources and unit tests against musl
[no-exit-message]
musl:
    @scripts/dev scripts/musl.sh

# Claude Code's build for musl, on musl: CLAUDE_VERSIONS="2.1.197 2.1.329" ./just musl-claude -k test
[no-exit-message]
musl-claude *args:
    @scripts/musl-claude.sh "$@"

# Fuzz each parser for a while: ./just fuzz 20 (seconds), ./just fuzz 600 toml
[no-exit-message]
fuzz *args:
    @scripts/dev scripts/fuzz.sh "$@"

# Drive the built image: ./just e2e -k trust
[no-exit-message]
e2e *args:
    @scripts/e2e.sh "$@"

# Storms, faults and fuzzing in full size; hours
[no-exit-message]
soak *steps:
    @scripts/soak.sh "$@"

# Build and try the image on Alpine itself (needs a registry)
[no-exit-message]
alpine:
    @scripts/alpine.sh

# --- working on berth

# A shell, or a command, where berth is built: ./just dev make check
[no-exit-message]
dev *args:
    @scripts/dev "$@"

# Format every C file
[no-exit-message]
format:
    @scripts/dev make format

# Remove build results; images and volumes stay
[no-exit-message]
clean:
    rm -rf build
