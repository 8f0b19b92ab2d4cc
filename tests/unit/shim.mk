# The shim's and the hook's modules that tests link, and an `agent` whose /data and /run/berth are
# beneath TEST_ROOT.
SHIM_ROOT := $(TEST_ROOT)/shim
SHIM_PATHS := -DRUN_DIR='"$(SHIM_ROOT)/run"' -DDATA_DIR='"$(SHIM_ROOT)/data"'

shim_spool_OBJ := shim/spool.o
shim_ensure_OBJ := shim/ensure.o
shim_tail_OBJ := shim/tail.o shim/dirwatch.o shim/ensure.o
shim_registry_OBJ := shim/registry.o shim/dirwatch.o
shim_folder_OBJ := shim/folder.o
shim_shrink_OBJ := shim/shrink.o
hook_line_OBJ := hook/line.o

$(BUILD)/shimtest/%.o: src/shim/%.c $(BUILD)/gen/sql.h
	@mkdir -p $(@D); echo "  CC $< (test)"
	$(Q)$(CC) $(CPPFLAGS) $(SHIM_PATHS) $(CFLAGS) -c -o $@ $<

$(BUILD)/shimtest/agent: $(patsubst src/shim/%.c,$(BUILD)/shimtest/%.o,$(wildcard src/shim/*.c)) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/test/shim_run: $(BUILD)/shimtest/agent $(BUILD)/bin/hook
$(BUILD)/test/shim_run: private CPPFLAGS += $(SHIM_PATHS) \
	-DTEST_AGENT='"$(abspath $(BUILD))/shimtest/agent"' -DTEST_HOOK='"$(abspath $(BUILD))/bin/hook"'
