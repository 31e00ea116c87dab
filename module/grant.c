// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: what a file is. A vault or one secret of it, a set of rights, the
 * one address space that it answers, and its view.
 *
 * The address space is the first that uses the file, until it ends. An mmu
 * notifier tells of that end, whatever brought it: exit, exec, kill -9. One
 * notifier serves all grants of an mm.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "internal.h"

static DEFINE_SPINLOCK(secmem_bind_lock);
static atomic64_t secmem_mm_numbers = ATOMIC64_INIT(0);

static const struct address_space_operations secmem_grant_aops = {};

static void secmem_grant_free(struct kref *ref)
{
	struct secmem_grant *grant = container_of(ref, struct secmem_grant,
						  ref);

	secmem_access_forget(grant);
	if (grant->first)
		WRITE_ONCE(grant->vault->first, NULL);
	secmem_vault_put(grant->vault);
	kfree(grant);
	secmem_count_add(grants, -1);
}

/**
 * secmem_grant_put - drop a reference
 * @grant: the grant
 *
 * Context: Any; the lock of a secret may be held, by who has a reference to its
 * vault.
 */
void secmem_grant_put(struct secmem_grant *grant)
{
	kref_put(&grant->ref, secmem_grant_free);
}

/*
 * From now on the vault lives for this grant, too: as much of it as it sees, which
 * is what the one sees that it comes from, which keeps it.
 */
static void secmem_grant_keep(struct secmem_grant *grant,
			      struct secmem_grant *from)
{
	struct secmem_vault *vault = grant->vault;

	spin_lock(&vault->keep_lock);
	if (from)
		grant->since = from->since;
	list_add(&grant->by_vault, from ? &from->by_vault : &vault->keepers);
	spin_unlock(&vault->keep_lock);
}

/* It does not any more: what nobody else keeps is wiped. */
static void secmem_grant_unkeep(struct secmem_grant *grant)
{
	struct secmem_vault *vault = grant->vault;
	bool unkept;

	spin_lock(&vault->keep_lock);
	list_del_init(&grant->by_vault);
	unkept = secmem_vault_unkept(vault);
	spin_unlock(&vault->keep_lock);
	if (unkept)
		secmem_vault_judge(vault, true);
}

/*
 * A grant of all that another mm used before begins anew: it sees and keeps what
 * is published from now on. It would otherwise give whoever has come by its file
 * all that a grant of one secret keeps alive.
 */
static int secmem_grant_renew(struct secmem_grant *grant)
{
	struct secmem_vault *vault = grant->vault;

	lockdep_assert_held(&vault->keep_lock);
	if (grant->secret || !grant->used)
		return 0;
	if (vault->era == SECMEM_ERA_MAX)
		return -EACCES;
	/* secmem_secret_publish() reads it without the lock. */
	WRITE_ONCE(vault->era, vault->era + 1);
	grant->since = vault->era;
	list_add_tail(&grant->by_vault, &vault->keepers);
	return 0;
}

/* A grant of one secret is gone, or never came to be. */
static void secmem_grant_unkeep_secret(struct secmem_secret *secret)
{
	if (atomic_dec_and_test(&secret->keepers))
		secmem_errand_send(secret, SECMEM_ERRAND_JUDGE);
}

/**
 * secmem_grant_create - a grant that answers nobody yet
 * @vault: handed over: one reference
 * @from: what it is exported from, entered by the current mm; NULL: the vault's
 * first
 * @secret: the one secret it is of, with its keepers counted up; or NULL
 * @handle: of @secret, or 0
 * @rights: SECMEM_RIGHT_*
 *
 * Context: Process context, may sleep.
 * Return: the grant, or NULL; then nothing was handed over.
 */
struct secmem_grant *secmem_grant_create(struct secmem_vault *vault,
					 struct secmem_grant *from,
					 struct secmem_secret *secret,
					 u64 handle, u32 rights)
{
	struct secmem_grant *grant = kzalloc(sizeof(*grant),
					     SECMEM_GFP);

	if (!grant)
		return NULL;
	kref_init(&grant->ref);
	grant->vault = vault;
	grant->secret = secret;
	grant->handle = handle;
	while (!grant->id)
		get_random_bytes(&grant->id, sizeof(grant->id));
	grant->rights = rights;
	INIT_LIST_HEAD(&grant->by_mm);
	INIT_LIST_HEAD(&grant->by_vault);
	grant->single.grant = grant;
	grant->single.secret = secret;
	atomic64_set(&grant->single.holder.word,
		     secmem_word_empty(secmem_handle_generation(handle)));
	xa_init_flags(&grant->records, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&grant->pollq);
	INIT_LIST_HEAD(&grant->by_watch);
	atomic_set(&grant->views, 0);
	address_space_init_once(&grant->mapping);
	secmem_compat_mapping_init(&grant->mapping);
	grant->mapping.a_ops = &secmem_grant_aops;

	if (!secret)
		secmem_grant_keep(grant, from);
	secmem_count_add(grants, 1);
	return grant;
}

/**
 * secmem_grant_attach - make a file the grant's
 * @grant: handed over; secmem_grant_release() ends it
 * @file: the file
 *
 * Its mappings are found through an address_space of its own, so that zapping
 * reaches this view alone. Its host is the file's inode, which outlives both.
 *
 * Context: Any.
 */
void secmem_grant_attach(struct secmem_grant *grant, struct file *file)
{
	grant->mapping.host = file_inode(file);
	file->f_mapping = &grant->mapping;
	file->private_data = grant;
}

/*
 * What a grant answers, and until when:
 *
 *	unbound --first use--> bound --its mm ends--> leaving --last tie--> unbound
 *
 * Three things tie it to an mm: the mm itself until its end, the view until its
 * VMA is closed, which exit_mmap() does behind that, and each holder until whoever
 * has its secret's lock has ended it. While it is leaving it answers nobody,
 * and who would bind it waits.
 */
static void secmem_grant_unbind(struct secmem_grant *grant)
{
	struct secmem_mm *bound = grant->bound;

	spin_lock(&secmem_bind_lock);
	grant->bound = NULL;
	grant->leaving = false;
	WRITE_ONCE(grant->mm, NULL);
	spin_unlock(&secmem_bind_lock);
	/* Pairs with the one in secmem_grant_bind_wait()'s wait. */
	smp_mb();
	wake_up_var(&grant->mm);
	mmu_notifier_put(&bound->notifier);
	secmem_grant_put(grant);
}

/**
 * secmem_grant_tie - one thing more that ties a grant to its mm
 * @grant: bound
 *
 * Context: Any; the caller's mm is the one that the grant answers.
 */
void secmem_grant_tie(struct secmem_grant *grant)
{
	atomic_inc(&grant->ties);
}

/**
 * secmem_grant_untie - the end of secmem_grant_tie()
 * @grant: with the last one, it answers nobody any more, and may be gone
 *
 * Context: Process context; mmap_lock or the lock of a secret may be held, by who
 * has a reference to its vault.
 */
void secmem_grant_untie(struct secmem_grant *grant)
{
	if (atomic_dec_and_test(&grant->ties))
		secmem_grant_unbind(grant);
}

/* Objects that go some time after the last file is gone. */
static atomic_t secmem_mm_count;

static void secmem_mm_put(struct secmem_mm *bound)
{
	if (!refcount_dec_and_test(&bound->refs))
		return;
	kfree(bound);
	if (atomic_dec_and_test(&secmem_mm_count))
		wake_up_var(&secmem_mm_count);
}

static void secmem_mm_free(struct mmu_notifier *notifier)
{
	secmem_mm_put(container_of(notifier, struct secmem_mm, notifier));
}

/*
 * The mm that a grant answers, if the current process has ended it: a reference,
 * or NULL. Nobody else, who has come by the file, waits for all that it had.
 */
static struct secmem_mm *secmem_mm_ending(struct secmem_grant *grant)
{
	struct secmem_mm *bound;

	spin_lock(&secmem_bind_lock);
	bound = grant->bound;
	if (bound && bound->ended && bound->ender == current->signal)
		refcount_inc(&bound->refs);
	else
		bound = NULL;
	spin_unlock(&secmem_bind_lock);
	return bound;
}

/* Gives the reference back. */
static void secmem_mm_await(struct secmem_mm *bound)
{
	if (!bound)
		return;
	flush_work(&bound->end);
	secmem_mm_put(bound);
}

/**
 * secmem_grant_release - the file is gone
 * @grant: its grant
 *
 * No VMA and no call is left that came by the file. The end of its mm may run
 * at the same time: the one that takes it off the mm's list ends its accesses,
 * unkeeps and unties it. Were we to begin what the mm's end has to do, that could
 * be over before us, with the secrets still there.
 *
 * Context: Process context, no lock held. Waits for no lock of a secret, as a
 * process may be on its way out; if its mm has ended, for the worker of that.
 */
void secmem_grant_release(struct secmem_grant *grant)
{
	struct secmem_mm *ending;
	bool bound, leaving;

	spin_lock(&secmem_bind_lock);
	bound = !list_empty(&grant->by_mm);
	leaving = grant->leaving;
	list_del_init(&grant->by_mm);
	spin_unlock(&secmem_bind_lock);

	ending = secmem_mm_ending(grant);
	secmem_watch_end(grant);
	if (!leaving)
		secmem_access_end(grant);
	if (grant->secret)
		secmem_grant_unkeep_secret(grant->secret);
	else if (!leaving)
		secmem_grant_unkeep(grant);
	if (bound)
		secmem_grant_untie(grant);
	secmem_mm_await(ending);
	secmem_grant_put(grant);
}

/**
 * secmem_grant_await_end - where we ended the grant's mm, wait until that is done
 * @grant: its file is held
 *
 * A process ends its mm before it closes its files, and both before its exit is
 * over: by then what it alone kept is wiped. Of a grant of which it has neither a
 * view nor a file any more, as it passed it on, that is soon after.
 *
 * Context: Process context, may sleep; mmap_lock may be held by who ends its mm.
 */
void secmem_grant_await_end(struct secmem_grant *grant)
{
	secmem_mm_await(secmem_mm_ending(grant));
}

/* The mm's last user is gone: none of its grants takes a new access. */
static void secmem_mm_end(struct work_struct *work)
{
	struct secmem_mm *bound = container_of(work, struct secmem_mm, end);
	struct secmem_grant *grant;

	for (;;) {
		spin_lock(&secmem_bind_lock);
		grant = list_first_entry_or_null(&bound->grants,
						 struct secmem_grant, by_mm);
		if (grant) {
			/* On the list, so its file has not been released. */
			kref_get(&grant->ref);
			list_del_init(&grant->by_mm);
			grant->leaving = true;
		}
		spin_unlock(&secmem_bind_lock);
		if (!grant)
			break;

		secmem_access_end(grant);
		if (!grant->secret)
			secmem_grant_unkeep(grant);
		/* Last: until then nobody else can bind it. */
		secmem_grant_untie(grant);
		secmem_grant_put(grant);
	}
	secmem_mm_put(bound);
}

/*
 * We are in a section for which all others of the machine wait who end a
 * notifier, and the mm may have a million secrets and no share of a processor:
 * so a worker does the work. Who closes the mm's view or its files waits for it.
 */
static void secmem_mm_release(struct mmu_notifier *notifier,
			      struct mm_struct *mm)
{
	struct secmem_mm *bound = container_of(notifier, struct secmem_mm,
					       notifier);

	refcount_inc(&bound->refs);
	spin_lock(&secmem_bind_lock);
	bound->ended = true;
	bound->ender = current->signal;
	/* Within the lock: who sees that it has ended finds the work to wait for. */
	secmem_errand_end(&bound->end);
	spin_unlock(&secmem_bind_lock);
}

static struct mmu_notifier *secmem_mm_alloc(struct mm_struct *mm)
{
	struct secmem_mm *bound = kzalloc(sizeof(*bound), SECMEM_GFP);

	if (!bound)
		return ERR_PTR(-ENOMEM);
	refcount_set(&bound->refs, 1);
	INIT_LIST_HEAD(&bound->grants);
	INIT_WORK(&bound->end, secmem_mm_end);
	mutex_init(&bound->flip);
	bound->number = atomic64_inc_return(&secmem_mm_numbers);
	atomic_inc(&secmem_mm_count);
	return &bound->notifier;
}

/**
 * secmem_grant_teardown - at module unload
 *
 * mmu_notifier_synchronize() would wait for a grace period, and not for the
 * callbacks that other processors still have to call after it.
 *
 * Context: Process context, may sleep; no file is left.
 */
void secmem_grant_teardown(void)
{
	wait_var_event(&secmem_mm_count, !atomic_read(&secmem_mm_count));
	/* The last callback, which runs with softirqs disabled, has returned. */
	synchronize_rcu();
}

static const struct mmu_notifier_ops secmem_mm_ops = {
	.release = secmem_mm_release,
	.alloc_notifier = secmem_mm_alloc,
	.free_notifier = secmem_mm_free,
};

/* 0: it answers nobody. -EACCES: it answers an mm; -EBUSY: which has ended. */
static int secmem_grant_is_free(struct secmem_grant *grant)
{
	int ret = 0;

	spin_lock(&secmem_bind_lock);
	if (grant->bound)
		ret = grant->bound->ended ? -EBUSY : -EACCES;
	spin_unlock(&secmem_bind_lock);
	return ret;
}

/* Wait until a grant that leaves its mm answers nobody. */
static int secmem_grant_bind_wait(struct secmem_grant *grant, bool mmap_locked)
{
	int ret = secmem_grant_is_free(grant);

	if (ret != -EBUSY || mmap_locked)
		return ret;
	return wait_var_event_interruptible(&grant->mm,
					    secmem_grant_is_free(grant) !=
						    -EBUSY) ?
		       -EINTR :
		       0;
}

/* Bind to the current mm, unless another one was faster. */
static int secmem_grant_bind(struct secmem_grant *grant, bool mmap_locked)
{
	struct mm_struct *mm = current->mm, *answers;
	struct secmem_vault *vault = grant->vault;
	struct mmu_notifier *notifier;
	struct secmem_mm *bound;
	bool mine = false, own;
	int ret;

	if (!mm)
		return -EACCES;
	/* Pairs as in secmem_grant_answers(). */
	while ((answers = smp_load_acquire(&grant->mm))) {
		/* Another thread of ours may have come first just now. */
		if (answers == mm)
			return 0;
		ret = secmem_grant_bind_wait(grant, mmap_locked);
		if (ret)
			return ret;
	}
	notifier = mmap_locked ?
			   mmu_notifier_get_locked(&secmem_mm_ops, mm) :
			   mmu_notifier_get(&secmem_mm_ops, mm);
	if (IS_ERR(notifier))
		return PTR_ERR(notifier);
	bound = container_of(notifier, struct secmem_mm, notifier);

	/* Before others of the mm see it bound, it keeps the vault. */
	spin_lock(&vault->keep_lock);
	spin_lock(&secmem_bind_lock);
	if (grant->mm)
		ret = grant->mm == mm ? 0 : -EACCES;
	else
		ret = secmem_grant_renew(grant);
	if (!ret && !grant->mm) {
		mine = true;
		kref_get(&grant->ref);
		atomic_set(&grant->ties, 1);
		grant->used = true;
		grant->bound = bound;
		list_add(&grant->by_mm, &bound->grants);
		/* Pairs with the acquires of those who do not take the lock. */
		smp_store_release(&grant->mm, mm);
	}
	spin_unlock(&secmem_bind_lock);
	/* Of one secret: only where nobody has the vault any more. */
	own = mine && (!grant->secret || list_empty(&vault->keepers));
	spin_unlock(&vault->keep_lock);

	if (own)
		secmem_vault_own(vault);
	if (!mine)
		mmu_notifier_put(notifier);
	return ret;
}

static int secmem_grant_check(struct secmem_grant *grant, u32 rights,
			      bool mmap_locked)
{
	if ((grant->rights & rights) != rights)
		return -EACCES;
	if (secmem_grant_answers(grant))
		return 0;
	return secmem_grant_bind(grant, mmap_locked);
}

/**
 * secmem_grant_enter_slow - secmem_grant_enter() for whom it does not know yet
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * Context: Process context, no lock held. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR.
 */
int secmem_grant_enter_slow(struct secmem_grant *grant, u32 rights)
{
	return secmem_grant_check(grant, rights, false);
}

/**
 * secmem_grant_enter_locked - secmem_grant_enter() for mmap
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * Context: The current mm's mmap_lock is held for writing. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR.
 */
int secmem_grant_enter_locked(struct secmem_grant *grant, u32 rights)
{
	return secmem_grant_check(grant, rights, true);
}

/**
 * secmem_grant_sees - was a secret published in a grant's time
 * @grant: entered, or its view is touched
 * @secret: what a place serves
 *
 * Context: The caller holds @secret's lock; without it the answer is of what the
 * place serves at some moment, and a no for good: its era does not fall.
 * Return: whether @grant is of it.
 */
bool secmem_grant_sees(const struct secmem_grant *grant,
		       const struct secmem_secret *secret)
{
	return READ_ONCE(secret->era) >= grant->since;
}

/**
 * secmem_grant_find - the place that a handle names through a grant
 * @grant: entered
 * @handle: from the caller
 *
 * Context: Any.
 * Return: the place, good as long as @grant; the generation is yet to be
 * checked. -ENOENT where it was never issued, or not to @grant; -EKEYREVOKED,
 * what it names is not for @grant any more, and for it as good as closed.
 */
struct secmem_secret *secmem_grant_find(struct secmem_grant *grant, u64 handle)
{
	struct secmem_secret *secret = grant->secret;
	u32 generation;

	if (secret)
		return handle == grant->handle ? secret : ERR_PTR(-ENOENT);
	secret = secmem_vault_find(grant->vault, handle);
	if (!secret)
		return ERR_PTR(-ENOENT);
	if (likely(!grant->since))
		return secret;
	/*
	 * Pairs with the release in secmem_secret_publish(): the era is that of the
	 * handle's secret, or of a later one; then its generation is found to be
	 * over, under the lock.
	 */
	generation = smp_load_acquire(&secret->generation);
	return generation == secmem_handle_generation(handle) &&
			       !secmem_grant_sees(grant, secret) ?
		       ERR_PTR(-EKEYREVOKED) :
		       secret;
}

/* Count a further grant of one secret, unless it is on its way out. */
static int secmem_grant_keep_secret(struct secmem_secret *secret, u64 handle)
{
	int ret;

	/* Others may hold the secret from now on, and poll. */
	secmem_secret_need_cold(secret);
	ret = secmem_secret_lock(secret);
	if (ret)
		return ret;
	ret = secmem_secret_peek(secret, secmem_handle_generation(handle),
				 SECMEM_EVENT_COPY_OUT);
	if (ret == SECMEM_MUST_WAIT || ret == -EOWNERDEAD)
		ret = 0;
	if (!ret)
		atomic_inc(&secret->keepers);
	secmem_secret_unlock(secret);
	return ret;
}

static struct secmem_grant *secmem_grant_derive(struct secmem_grant *grant,
						struct secmem_secret *secret,
						u64 handle, u32 rights)
{
	struct secmem_grant *derived;
	int ret;

	if (secret) {
		ret = secmem_grant_keep_secret(secret, handle);
		if (ret)
			return ERR_PTR(ret);
	}
	kref_get(&grant->vault->ref);
	derived = secmem_grant_create(grant->vault, grant, secret, handle,
				      rights);
	if (derived)
		return derived;
	if (secret)
		secmem_grant_unkeep_secret(secret);
	secmem_vault_put(grant->vault);
	return ERR_PTR(-ENOMEM);
}

/**
 * secmem_grant_export - SECMEM_IOC_EXPORT, up to the file
 * @grant: entered by the current mm, with the right to
 * @call: the call, its flags checked; fd and file are filled in
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0, to be followed by secmem_grant_export_end(); or an errno.
 */
int secmem_grant_export(struct secmem_grant *grant, struct secmem_call *call)
{
	u64 handle = call->export.handle;
	u32 rights = call->export.rights;
	struct secmem_secret *secret = NULL;
	struct secmem_grant *derived;

	if (rights & ~grant->rights)
		return -EACCES;
	if (handle) {
		secret = secmem_grant_find(grant, handle);
		if (IS_ERR(secret))
			return PTR_ERR(secret);
	} else if (grant->secret) {
		return -EACCES;
	}

	call->export.fd = get_unused_fd_flags(O_CLOEXEC);
	if (call->export.fd < 0)
		return call->export.fd;
	derived = secmem_grant_derive(grant, secret, handle, rights);
	if (IS_ERR(derived)) {
		put_unused_fd(call->export.fd);
		return PTR_ERR(derived);
	}
	call->file = anon_inode_getfile("[secmem]", &secmem_file_ops, derived,
					O_CLOEXEC |
						(rights & SECMEM_RIGHT_WRITE ?
							 O_RDWR :
							 O_RDONLY));
	if (IS_ERR(call->file)) {
		secmem_grant_release(derived);
		put_unused_fd(call->export.fd);
		return PTR_ERR(call->file);
	}
	/* What an anonymous file lacks, the latter on old kernels alone. */
	call->file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	secmem_grant_attach(derived, call->file);
	return 0;
}

/**
 * secmem_grant_export_end - install the file, now that the caller knows its fd
 * @call: from secmem_grant_export()
 * @ok: the caller knows; else undo
 *
 * Context: Process context.
 */
void secmem_grant_export_end(struct secmem_call *call, bool ok)
{
	if (ok) {
		fd_install(call->export.fd, call->file);
	} else {
		put_unused_fd(call->export.fd);
		fput(call->file);
	}
}
