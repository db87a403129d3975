#!/bin/bash
# init.sh FOLDER: the first process of a clean Debian: makes it of CLEAN (its root filesystem, which stays as it is) and
# FOLDER (what is written), in the namespaces that it was started in, and runs FOLDER/home/script in it, as root in the folder
# that has the other files of FOLDER/home, too. Called by clean.bash.
#
# What is not as on a real host: there is no systemd, so systemctl is clean/systemctl.sh; there is no world, so
# Docker Hub is a registry at 127.0.0.1 (cmd/registry); and runc and crun fail, so what runs was run by rung.
set -euo pipefail
trap 'echo "${BASH_SOURCE[0]}: line $LINENO: $BASH_COMMAND" >&2' ERR
work=$1
root=$work/root

mkdir -p "$work"/{root,upper,layers,lib}
mount -t overlay -o "lowerdir=$CLEAN,upperdir=$work/upper,workdir=$work/layers" clean "$root"
# Layers of images cannot be in an overlay.
mount --bind "$work/lib" "$root/var/lib/containers" 2>/dev/null || {
  mkdir -p "$root/var/lib/containers"
  mount --bind "$work/lib" "$root/var/lib/containers"
}
for engine in containerd docker; do
  mkdir -p "$work/lib-$engine" "$root/var/lib/$engine"
  mount --bind "$work/lib-$engine" "$root/var/lib/$engine"
done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
# The hierarchies that the host has, from this cgroup namespace's beginning on.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  # Controllers go to cgroups without processes only.
  mkdir "$root/sys/fs/cgroup/init"
  echo 0 >"$root/sys/fs/cgroup/init/cgroup.procs"
  sed 's/\(^\| \)/\1+/g' "$root/sys/fs/cgroup/cgroup.controllers" >"$root/sys/fs/cgroup/cgroup.subtree_control"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  while read -r target type options; do
    mkdir -p "$root$target"
    # Only the names of controllers and hierarchies count, of all that findmnt says.
    options=$(tr , '\n' <<<"$options" | sed -E '/^(rw|ro|nosuid|nodev|noexec|relatime|clone_children|nsdelegate|memory_.*|favordynmods|release_agent=.*)$/d' | paste -sd,)
    mount -t "$type" ${options:+-o "$options"} "$type" "$root$target"
  done < <(findmnt -rn -t cgroup,cgroup2 -o TARGET,FSTYPE,OPTIONS)
fi

install -m 755 "$RUNG" "$root/usr/local/bin/rung"
install -m 755 "${BASH_SOURCE[0]%/*}/systemctl.sh" "$root/usr/local/bin/systemctl"
install -m 755 "$REGISTRY" "$root/usr/local/sbin/registry"
cp "$LAYER" "$root/root/layer.tar.gz"
cp -r "$work/home/." "$root/root"
for other in runc crun; do
  [ ! -e "$root/usr/sbin/$other" ] || printf '#!/bin/sh\necho "it was %s that was called" >&2\nexit 1\n' $other >"$root/usr/sbin/$other"
  [ ! -e "$root/usr/bin/$other" ] || printf '#!/bin/sh\necho "it was %s that was called" >&2\nexit 1\n' $other >"$root/usr/bin/$other"
done
echo clean >"$root/etc/hostname"
printf '127.0.0.1 localhost clean registry-1.docker.io\n' >"$root/etc/hosts"
hostname clean
ip link set lo up

cd "$root"
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
# As systemd makes it.
mount --make-rshared /
cd /root
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset RUNG CLEAN REGISTRY LAYER TMPDIR XDG_RUNTIME_DIR
mkfifo ready
registry layer.tar.gz hub.pem >ready 2>registry.log &
read -r <ready
cat hub.pem >>/etc/ssl/certs/ca-certificates.crt
# Installed packages are started.
systemctl start containerd docker
exec bash -euxo pipefail script
