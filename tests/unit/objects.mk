# Where tests have /data, /run/berth and the like: a folder of this build's, in /tmp, since some act as users
# who may not enter the folder in which somebody keeps this checkout.
TEST_ROOT := /tmp/berth-unit-$(firstword $(shell echo '$(abspath $(BUILD))' | cksum))

# A folder's tests may have a file of their own: shim.mk, cli.mk ...
include $(filter-out %/objects.mk,$(wildcard tests/unit/*.mk))
demo_keys_OBJ := demo/keys.o
demo_editor_OBJ := demo/editor.o demo/keys.o
demo_script_OBJ := demo/script.o
demo_transcript_OBJ := demo/transcript.o demo/home.o demo/ids.o
demo_hooks_OBJ := demo/hooks.o demo/ids.o
demo_turn_OBJ := demo/turn.o demo/script.o demo/screen.o demo/transcript.o demo/home.o demo/ids.o

$(BUILD)/test/conn: private LDFLAGS += -Wl,--wrap=write
