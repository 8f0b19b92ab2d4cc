# The launcher's (and the reconciler's) modules that tests link, with /data, /run/berth, the programs
# and /etc beneath TEST_ROOT. A world (world.h) has a clock and timers of the test's own.
LT_ROOT := $(TEST_ROOT)/lt
LT_PATHS := -DRUN_DIR='"$(LT_ROOT)/run"' -DDATA_DIR='"$(LT_ROOT)/data"' -DETC_DIR='"$(LT_ROOT)/etc"' \
	-DLIBEXEC_DIR='"$(LT_ROOT)/libexec"'
LT_WRAP := -Wl,--wrap=mono_ms,--wrap=wall_ms

$(BUILD)/lttest/%.o: src/%.c $(BUILD)/gen/sql.h
	@mkdir -p $(@D); echo "  CC $< (test)"
	$(Q)$(CC) $(CPPFLAGS) $(LT_PATHS) $(CFLAGS) -c -o $@ $<

lt = $(patsubst %,lttest/launcher/%.o,$(1))

launcher_prompt_OBJ := $(call lt,prompt)
launcher_screen_OBJ := $(call lt,screen)
launcher_limit_OBJ := $(call lt,limit)

launcher_store_OBJ := $(call lt,message volume store retention)
launcher_message_OBJ := $(call lt,message volume store)
launcher_approval_OBJ := $(call lt,approval store message volume)
launcher_agent_OBJ := $(call lt,agent agents process approval observe screen store folder)
launcher_folder_OBJ := $(call lt,folder message volume store)
launcher_turn_OBJ := $(call lt,turn message volume store prompt transcript hooks limit conversation driver \
	driver_claude driver_command driver_demo)
launcher_deliver_OBJ := $(call lt,deliver message volume store prompt screen turn)
launcher_fifos_OBJ := $(call lt,fifos addressee message volume store)
launcher_ops_OBJ := $(call lt,ops ops_read waiters addressee message volume store)
launcher_tmux_OBJ := $(call lt,tmux)
reconcile_spec_OBJ := lttest/reconcile/spec.o
reconcile_secrets_OBJ := lttest/reconcile/secrets.o lttest/reconcile/warn.o lttest/reconcile/spec.o
reconcile_rows_OBJ := lttest/reconcile/rows.o
reconcile_apply_OBJ := $(patsubst %,lttest/reconcile/%.o,apply rows secrets spec warn) lttest/lib/users.o
reconcile_home_OBJ := reconcile/home.o
users_OBJ := lttest/lib/users.o
infifo_OBJ := lttest/lib/infifo.o

LT_TESTS := launcher_prompt launcher_screen launcher_limit launcher_fifos launcher_tmux \
	reconcile_spec reconcile_secrets reconcile_rows reconcile_apply users infifo
LT_WORLDS := launcher_message launcher_ops launcher_approval launcher_agent launcher_turn launcher_deliver
LT_WORLDS += launcher_store launcher_folder
$(patsubst %,$(BUILD)/test/%,$(LT_TESTS) $(LT_WORLDS)): private CPPFLAGS += $(LT_PATHS)
$(LT_WORLDS:%=$(BUILD)/test/%): private LDFLAGS += $(LT_WRAP)
$(BUILD)/test/launcher_tmux: private LDFLAGS += -Wl,--wrap=timer_in
$(BUILD)/test/launcher_fifos: private LDFLAGS += -Wl,--wrap=tee,--wrap=fcntl
