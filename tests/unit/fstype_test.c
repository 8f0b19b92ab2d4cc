/* Which file systems a database may be on. */
#include "unit.h"

#include "fstype.h"

static const char mounts[] =
    "22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b\n"
    "23 22 0:51 / /data rw,nosuid,nodev shared:1 master:2 - fuse.sshfs me@host:/x rw\n"
    "24 22 0:5 / /other rw - fuse.fuse-overlayfs fuse-overlayfs rw\n"
    "25 22 8:1 /vol /with\\040-\\040dash rw - virtiofs share rw\n"
    "26 22 0:60 / /cut rw\n"
    "27 22 10:51 / /last rw - ext4 /dev/sda1 rw";

static void
is(unsigned long magic, const char *as, enum fstype_kind kind, const char *name)
{
	struct fstype fs;

	fstype_of(magic, as, &fs);
	assert_string_equal(fs.name, name);
	assert_int_equal(fs.kind, kind);
}

static void
a_database_needs_a_local_disk(void **state)
{
	(void)state;
	is(0xEF53, NULL, FSTYPE_LOCAL, "ext4");
	is(0x58465342, NULL, FSTYPE_LOCAL, "xfs");
	is(0x12345678, NULL, FSTYPE_LOCAL, "a local file system");
	is(0x794C7630, NULL, FSTYPE_PASSING, "overlay");
	is(0x01021994, NULL, FSTYPE_PASSING, "tmpfs");
	is(0x01021997, NULL, FSTYPE_SHARED, "9p");
	is(0x6969, NULL, FSTYPE_SHARED, "nfs");
	is(0xFF534D42, NULL, FSTYPE_SHARED, "cifs");
	is(0xFE534D42, NULL, FSTYPE_SHARED, "smb");
	is(0x517B, NULL, FSTYPE_SHARED, "smb");
	is(0x00C36400, NULL, FSTYPE_SHARED, "ceph");
	is(0x786F4256, NULL, FSTYPE_SHARED, "vboxsf");
}

static void
a_type_that_was_sign_extended(void **state)
{
	(void)state;
	is((unsigned long)(long)(int)0xFF534D42, NULL, FSTYPE_SHARED, "cifs");
	is((unsigned long)(long)(int)0x9123683E, NULL, FSTYPE_LOCAL, "btrfs");
}

static void
fuse_is_told_apart_by_its_mount(void **state)
{
	(void)state;
	is(0x65735546, NULL, FSTYPE_SHARED, "fuse or virtiofs");
	is(0x65735546, "virtiofs", FSTYPE_SHARED, "virtiofs");
	is(0x65735546, "fuse.sshfs", FSTYPE_SHARED, "fuse.sshfs");
	is(0x65735546, "fuseblk", FSTYPE_SHARED, "fuseblk");
	is(0x65735546, "fuse.fuse-overlayfs", FSTYPE_PASSING, "fuse.fuse-overlayfs");
	is(0xEF53, "fuse.sshfs", FSTYPE_LOCAL, "ext4"); /* only of FUSE is it asked */
}

static void
mounted(unsigned major, unsigned minor, const char *type)
{
	char *found = fstype_mounted_as(mounts, major, minor);

	if (type == NULL)
		assert_null(found);
	else
		assert_string_equal(found, type);
	free(found);
}

static void
a_mount_is_found_by_its_device(void **state)
{
	(void)state;
	mounted(0, 51, "fuse.sshfs");
	mounted(0, 5, "fuse.fuse-overlayfs");
	mounted(8, 1, "virtiofs");
	mounted(10, 51, "ext4");
	mounted(0, 60, NULL);
	mounted(9, 9, NULL);
	assert_null(fstype_mounted_as("", 0, 0));
	assert_null(fstype_mounted_as("nonsense\n\n", 0, 0));
}

static void
a_path_is_looked_at(void **state)
{
	struct fstype fs;

	(void)state;
	assert_int_equal(fstype_look("/proc/no/such", &fs), -1);
	assert_int_equal(fstype_look("/", &fs), 0);
	assert_true(strlen(fs.name) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_database_needs_a_local_disk),
	    cmocka_unit_test(a_type_that_was_sign_extended),
	    cmocka_unit_test(fuse_is_told_apart_by_its_mount),
	    cmocka_unit_test(a_mount_is_found_by_its_device),
	    cmocka_unit_test(a_path_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
