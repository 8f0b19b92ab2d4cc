/* Where things are at run time; docs/architecture.md says who owns what. */
#ifndef PATHS_H
#define PATHS_H

#ifndef LIBEXEC_DIR
#define LIBEXEC_DIR "/usr/libexec/berth"
#endif
#ifndef ETC_DIR
#define ETC_DIR "/etc"
#endif
#ifndef DATA_DIR /* tests put all of them elsewhere */
#define DATA_DIR "/data"
#endif
#ifndef RUN_DIR
#define RUN_DIR "/run/berth"
#endif
#define DB_PATH       DATA_DIR "/berth.db"
#define CONFIG_FILE   DATA_DIR "/berth.toml"
#define LAST_GOOD     DATA_DIR "/last-good.toml"
#define SECRETS_DIR   DATA_DIR "/secrets"
#define SPOOL_DIR     DATA_DIR "/spool"
#define HOME_DIR      DATA_DIR "/home"
#define LOG_DIR       DATA_DIR "/log"
#define BACKUP_DIR    DATA_DIR "/.backup"  /* what goes into a backup beside the files */
#define RESTORE_DIR   DATA_DIR "/.restore" /* what the next start puts to use */
#define SCAN_DIR      "/run/s6"
#define LAUNCHER_SOCK RUN_DIR "/launcher.sock"
#define SPAWN_SOCK    RUN_DIR "/spawn.sock"
#define PANE_SOCK     RUN_DIR "/pane.sock"
#define AGENT_DIR     RUN_DIR "/agent"
#define SHIM_DIR      RUN_DIR "/shim"
#define GRANTED_DIR   RUN_DIR "/secrets"
#define BELL_DIR      RUN_DIR "/bell"
#define APPLY_FIFO    RUN_DIR "/apply"
#define IN_FIFO       RUN_DIR "/in"
#define UNRECONCILED  RUN_DIR "/unreconciled" /* the run at boot failed */
#define ENV_FILE      RUN_DIR "/env"
#define TMUX_DIR      RUN_DIR "/tmux"
#define TMUX_SOCK     TMUX_DIR "/tmux-901/default"

#define CLAUDE_PROGRAM "/usr/local/bin/claude"

enum { UID_BERTH = 900, UID_TMUX = 901, GID_FIFO = 902, UID_AGENT = 1000 };
/* A terminal's number and GID_TERMINALS make the group of the agent that has it. */
enum { GID_TERMINALS = 64000, TERMINALS = 1000 };
#endif
