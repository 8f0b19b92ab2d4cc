cli_text_OBJ := cli/text.o
cli_table_OBJ := cli/table.o cli/text.o cli/out.o
cli_when_OBJ := cli/when.o
cli_args_OBJ := cli/args.o cli/cli.o cli/exits.o cli/out.o cli/text.o cli/when.o cli/now.o
cli_turn_OBJ := cli/turn.o cli/out.o cli/text.o cli/when.o
cli_doctor_OBJ := cli/doctor_kernel.o cli/doctor_volume.o cli/container.o cli/now.o cli/when.o
cli_container_OBJ := cli/container.o
