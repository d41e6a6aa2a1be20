// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM_GET_STATS_FD: a machine's or a virtual processor's numbers as a file (Documentation/virt/kvm/
 * api.rst, 4.133).  Every read makes the whole file anew, and gives a piece of it.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "module/vcpu.h"

#define NAME_SIZE 24u
#define OF_VM     (2 + SILL_RUN_KINDS)
#define OF_VCPU   2u

struct stats_file {
	struct kvm_stats_header header;
	char id[NAME_SIZE];
	/* struct kvm_stats_desc, and room for its name. */
	struct {
		u32 flags;
		s16 exponent;
		u16 size;
		u32 offset, bucket_size;
		char name[NAME_SIZE];
	} of[OF_VM];
	union {
		struct sill_session_stats session;
		u64 value[OF_VCPU];
	};
};

/* As struct sill_session_stats has them, from the first one that counts. */
static const char *const vm_names[OF_VM] = {
	"control_pages",   "mapped_frames",  "exits_interrupt", "exits_window",  "exits_memory",
	"exits_port",      "exits_cpuid",    "exits_msr",       "exits_hlt",     "exits_hypercall",
	"exits_exception", "exits_shutdown", "exits_cr",        "exits_dr",      "exits_xsetbv",
	"exits_rdpmc",     "exits_rdtsc",    "exits_invd",      "exits_monitor", "exits_mwait",
	"exits_pause",     "exits_task",     "exits_virtual",   "exits_invalid",
};
#define VM_VALUES offsetof(struct stats_file, session.control_pages)
static_assert(VM_VALUES + 2 * sizeof(u64) == offsetof(struct stats_file, session.exits));

static const char *const vcpu_names[OF_VCPU] = { "exits", "exits_to_vmm" };

/* What the file is of; `vcpu` NULL: the machine. */
struct source {
	struct vm *vm;
	struct vcpu *vcpu;
};

static long fill(struct stats_file *file, const struct source *source)
{
	const struct vcpu *vcpu = source->vcpu;
	long error = 0;
	u32 i;

	file->header.name_size = NAME_SIZE;
	file->header.num_desc = vcpu ? OF_VCPU : OF_VM;
	file->header.id_offset = offsetof(struct stats_file, id);
	file->header.desc_offset = offsetof(struct stats_file, of);
	file->header.data_offset = vcpu ? offsetof(struct stats_file, value) : VM_VALUES;
	snprintf(file->id, NAME_SIZE, "kvm-%u", source->vm->session);
	if (vcpu)
		snprintf(file->id, NAME_SIZE, "kvm-%u/vcpu-%u", source->vm->session, vcpu->id);
	for (i = 0; i < file->header.num_desc; i++) {
		file->of[i].flags =
			vcpu || i >= 2 ? KVM_STATS_TYPE_CUMULATIVE : KVM_STATS_TYPE_INSTANT;
		file->of[i].size = 1;
		file->of[i].offset = i * sizeof(u64);
		strscpy(file->of[i].name, vcpu ? vcpu_names[i] : vm_names[i], NAME_SIZE);
	}
	if (vcpu) {
		file->value[0] = READ_ONCE(vcpu->exits);
		file->value[1] = READ_ONCE(vcpu->exits_to_vmm);
	} else {
		error = vm_session_stats(source->vm, &file->session);
	}
	return error < 0 ? error : 0;
}

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	ssize_t result = stats ? fill(stats, file->private_data) : -ENOMEM;

	if (!result)
		result = simple_read_from_buffer(to, size, at, stats, sizeof(*stats));
	kfree(stats);
	return result;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct source *source = file->private_data;

	vm_put(source->vm);
	kfree(source);
	return 0;
}

static const struct file_operations stats_operations = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = default_llseek,
};

int stats_open(struct vm *vm, struct vcpu *vcpu)
{
	struct source source = { vm, vcpu };
	struct source *kept = kmemdup(&source, sizeof(source), GFP_KERNEL_ACCOUNT);
	struct file *file = ERR_PTR(-ENOMEM);
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (kept && fd >= 0)
		file = anon_inode_getfile("kvm-stats", &stats_operations, kept, O_RDONLY);
	if (IS_ERR(file)) {
		kfree(kept);
		if (fd < 0)
			return fd;
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	kref_get(&vm->references);
	/* Such a file is otherwise a stream. */
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}
