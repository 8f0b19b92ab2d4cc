/*
 * The texts of `berth host install`. In them @NAME@ is the container, @IMAGE@ its image,
 * @PROJECTS@ the folder or volume, @UID@ and @GID@ the agents' user, @HOME@ the home of
 * whoever runs it, @USERNS@ lines that rootless Podman needs. They say what scripts/up
 * and compose/appliance.yml say.
 */
#include "host.h"

#include <stddef.h>

#define WHAT_IS_MISSING                                                                  \
	"# Beside this `up` may have been told BERTH_HARDENED, BERTH_RUN_FLAGS and "     \
	"BERTH__*,\n# and ./just doctor may print flags that the engine needs here: "    \
	"they aren't in here.\n"

/* It frees the name for what is started instead. */
#define FIRST_DOWN                                                                       \
	"BERTH_NAME=@NAME@ ./just down     # where `./just up` made it; its volumes "    \
	"stay"

static const char *const podman_user_then[] = {
    FIRST_DOWN,
    "systemctl --user daemon-reload",
    "systemctl --user start @NAME@",
    "loginctl enable-linger            # so that it starts without anybody logging in",
    NULL,
};

static const char *const podman_root_then[] = {
    FIRST_DOWN,
    "systemctl daemon-reload",
    "systemctl start @NAME@",
    NULL,
};

static const char podman_text[] =
    "# berth under Podman, 4.6 or newer, and systemd (Quadlet: "
    "podman-systemd.unit(5)).\n" WHAT_IS_MISSING "[Unit]\n"
    "Description=berth: coding agents in tmux (@NAME@)\n"
    "\n"
    "[Container]\n"
    "ContainerName=@NAME@\n"
    "HostName=@NAME@\n"
    "Image=@IMAGE@\n"
    "Volume=@NAME@-data:/data\n"
    "Volume=@PROJECTS@:/projects\n"
    "# Sockets and granted secrets: never on disk.\n"
    "Tmpfs=/run:exec,mode=755\n"
    "@USERNS@"
    "Environment=PUID=@UID@ PGID=@GID@\n"
    "# So that `berth host install` in it says the same\n"
    "Environment=BERTH_NAME=@NAME@ BERTH_IMAGE=@IMAGE@ BERTH_PROJECTS=@PROJECTS@\n"
    "# CLAUDE_CODE_OAUTH_TOKEN=... or ANTHROPIC_API_KEY=..., ANTHROPIC_BASE_URL=..., "
    "TZ=... "
    "in a file that only\n# you may read:\n"
    "#EnvironmentFile=%h/.config/@NAME@.env\n"
    "HealthCmd=berth status --quiet --parts\n"
    "HealthInterval=30s\n"
    "PodmanArgs=--stop-timeout 60 --log-opt max-size=10m\n"
    "\n"
    "[Service]\n"
    "Restart=always\n"
    "# Longer than the slowest agent may take to stop\n"
    "TimeoutStopSec=90\n"
    "\n"
    "[Install]\n"
    "WantedBy=default.target\n";

static const char *const docker_then[] = {
    "systemctl enable --now docker     # the engine starts it again after a boot",
    NULL,
};

static const char docker_text[] = WHAT_IS_MISSING
    "# " FIRST_DOWN "\n"
    "# The variables without a value are those of the shell that runs this.\n"
    "docker run -d --name @NAME@ --hostname @NAME@ --restart unless-stopped "
    "--stop-timeout 60 \\\n"
    "    -e PUID=@UID@ -e PGID=@GID@ -e TZ -e ANTHROPIC_API_KEY -e "
    "CLAUDE_CODE_OAUTH_TOKEN \\\n"
    "    -e ANTHROPIC_BASE_URL -e ANTHROPIC_AUTH_TOKEN \\\n"
    "    -e BERTH_NAME=@NAME@ -e BERTH_IMAGE=@IMAGE@ -e BERTH_PROJECTS=@PROJECTS@ \\\n"
    "    -v @NAME@-data:/data -v @PROJECTS@:/projects --tmpfs /run:exec,mode=755 \\\n"
    "    --log-driver json-file --log-opt max-size=10m @IMAGE@\n";

static const char *const compose_then[] = {
    FIRST_DOWN,
    "docker compose -p @NAME@ up -d    # or docker-compose, podman-compose",
    "systemctl enable --now docker     # the engine starts it again after a boot",
    NULL,
};

static const char compose_text[] =
    "# berth by Docker Compose.\n" WHAT_IS_MISSING
    "# For a read-only root and few capabilities: -f compose.yaml -f "
    "compose/hardened.yml of the checkout.\n"
    "version: \"2.4\"\n"
    "services:\n"
    "  berth:\n"
    "    image: @IMAGE@\n"
    "    container_name: @NAME@\n"
    "    hostname: @NAME@\n"
    "    restart: unless-stopped\n"
    "    # Longer than the slowest agent may take to stop\n"
    "    stop_grace_period: 60s\n"
    "    environment:\n"
    "      - PUID=@UID@\n"
    "      - PGID=@GID@\n"
    "      # So that `berth host install` in it says the same\n"
    "      - BERTH_NAME=@NAME@\n"
    "      - BERTH_IMAGE=@IMAGE@\n"
    "      - BERTH_PROJECTS=@PROJECTS@\n"
    "      # Handed on when set, best in a file .env beside this one, mode 600\n"
    "      - ANTHROPIC_API_KEY\n"
    "      - CLAUDE_CODE_OAUTH_TOKEN\n"
    "      - ANTHROPIC_BASE_URL\n"
    "      - ANTHROPIC_AUTH_TOKEN\n"
    "      - TZ\n"
    "    volumes:\n"
    "      - berth-data:/data\n"
    "      - @PROJECTS@:/projects\n"
    "    tmpfs:\n"
    "      # Sockets and granted secrets: never on disk.\n"
    "      - /run:exec,mode=755\n"
    "    logging:\n"
    "      driver: json-file\n"
    "      options:\n"
    "        max-size: 10m\n"
    "\n"
    "volumes:\n"
    "  berth-data:\n"
    "    name: @NAME@-data\n"
    "@VOLUME@";

static const char *const systemd_then[] = {
    FIRST_DOWN,
    "systemctl daemon-reload",
    "systemctl enable --now @NAME@",
    NULL,
};

static const char systemd_text[] =
    "# berth under Docker, started by systemd. For Podman take `berth host install "
    "--podman` instead.\n" WHAT_IS_MISSING "[Unit]\n"
    "Description=berth: coding agents in tmux (@NAME@)\n"
    "Requires=docker.service\n"
    "After=docker.service network-online.target\n"
    "Wants=network-online.target\n"
    "\n"
    "[Service]\n"
    "ExecStartPre=-/usr/bin/docker stop -t 60 @NAME@\n"
    "ExecStartPre=-/usr/bin/docker rm @NAME@\n"
    "ExecStart=/usr/bin/docker run --rm --name @NAME@ --hostname @NAME@ --stop-timeout "
    "60 --log-opt max-size=10m --log-opt max-file=3 "
    "-e PUID=@UID@ -e PGID=@GID@ -e TZ -e ANTHROPIC_API_KEY -e CLAUDE_CODE_OAUTH_TOKEN "
    "-e ANTHROPIC_BASE_URL -e ANTHROPIC_AUTH_TOKEN "
    "-e BERTH_NAME=@NAME@ -e BERTH_IMAGE=@IMAGE@ -e BERTH_PROJECTS=@PROJECTS@ "
    "-v @NAME@-data:/data -v @PROJECTS@:/projects --tmpfs /run:exec,mode=755 @IMAGE@\n"
    "ExecStop=/usr/bin/docker stop -t 60 @NAME@\n"
    "# ANTHROPIC_API_KEY=... or CLAUDE_CODE_OAUTH_TOKEN=..., ANTHROPIC_BASE_URL=..., "
    "TZ=... in "
    "a file that only\n# root may read:\n"
    "EnvironmentFile=-/etc/@NAME@.env\n"
    "Restart=always\n"
    "RestartSec=5\n"
    "TimeoutStopSec=90\n"
    "\n"
    "[Install]\n"
    "WantedBy=multi-user.target\n";

static const char *const launchd_then[] = {
    "launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/berth.@NAME@.plist",
    NULL,
};

static const char launchd_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<!-- berth on macOS: starts Podman's machine and then the container, which `./just "
    "up` has made, at login. -->\n"
    "<plist version=\"1.0\">\n"
    "<dict>\n"
    "\t<key>Label</key>\n"
    "\t<string>berth.@NAME@</string>\n"
    "\t<key>ProgramArguments</key>\n"
    "\t<array>\n"
    "\t\t<string>/bin/sh</string>\n"
    "\t\t<string>-c</string>\n"
    "\t\t<string>podman machine start; podman start @NAME@ &amp;&amp; exec podman wait "
    "@NAME@</string>\n"
    "\t</array>\n"
    "\t<key>EnvironmentVariables</key>\n"
    "\t<dict>\n"
    "\t\t<key>PATH</key>\n"
    "\t\t<string>/opt/homebrew/bin:/opt/podman/bin:/usr/local/bin:/usr/bin:/bin</"
    "string>\n"
    "\t</dict>\n"
    "\t<key>RunAtLoad</key>\n"
    "\t<true/>\n"
    "\t<key>KeepAlive</key>\n"
    "\t<true/>\n"
    "\t<key>ThrottleInterval</key>\n"
    "\t<integer>30</integer>\n"
    "</dict>\n"
    "</plist>\n";

const struct host_kind host_kinds[] = {
    {"podman", "@HOME@/.config/containers/systemd/@NAME@.container",
	"/etc/containers/systemd/@NAME@.container", podman_text, podman_user_then,
	podman_root_then},
    {"docker", NULL, NULL, docker_text, docker_then, docker_then},
    {"compose", "compose.yaml", "compose.yaml", compose_text, compose_then, compose_then},
    {"systemd", "/etc/systemd/system/@NAME@.service",
	"/etc/systemd/system/@NAME@.service", systemd_text, systemd_then, systemd_then},
    {"launchd", "@HOME@/Library/LaunchAgents/berth.@NAME@.plist",
	"@HOME@/Library/LaunchAgents/berth.@NAME@.plist", launchd_text, launchd_then,
	launchd_then},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
