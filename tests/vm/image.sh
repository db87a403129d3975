#!/usr/bin/env bash
# image.sh: makes the machine's disk, kernel and initramfs, unless they are there already, and prints the folder that holds
# them (root.ext4, vmlinuz, initrd, and perhaps qemu). Needs root and the network when it has to make them, and neither when not.
#
# The folder is VM_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/rung/vm) and in it one named after the recipe: this file and
# what is in image/. A changed recipe makes a new image; one that nobody used for two weeks is removed.
# DEBIAN_MIRROR names another mirror.
set -euo pipefail
exec 3>&2
cd "$(dirname "${BASH_SOURCE[0]}")"

suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rung/vm}
recipe=$(cat image.sh image/* | sha256sum)
image=$cache/${recipe:0:12}

# What the initramfs loads, with all that these need.
boot_modules=(virtio_pci virtio_blk ext4)
# Drivers that no virtual machine has: two thirds of the modules.
unwanted=(sound drivers/{gpu,media,staging,iio,infiniband/hw,isdn,hwmon,usb,scsi,ata,bluetooth,mmc,platform,power,mtd,nvme}
  drivers/net/{ethernet,wireless,can,usb,phy} drivers/input/{joystick,touchscreen,tablet} net/{bluetooth,wireless,mac80211})

main() {
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [ ! -e "$image/complete" ]; then
    if [ "$(id -u)" -ne 0 ]; then
      echo "the virtual machine's disk has to be made first, which needs root (once); try: sudo make vm-image" >&2
      exit 1
    fi
    echo "making the virtual machine's disk in $image (once, about two minutes)" >&2
    make_image
  fi
  touch "$image/complete" 2>/dev/null || true
  find "$cache" -mindepth 2 -maxdepth 2 -name complete -mtime +14 -printf '%h\n' | xargs -r rm -rf --one-file-system
  echo "$image"
}

# make_image: into a folder of its own first, which gets its name when complete: an interrupted run leaves nothing that
# looks finished. What is printed on the way is in build.log.
make_image() {
  work=$(mktemp -d "$cache/making.XXXXXX")
  trap unfinished EXIT
  exec 8>&1 >"$cache/build.log" 2>&1
  chmod 755 "$work"
  make_root "$work/root"
  get_qemu "$work/root" "$work/qemu" || echo "no newer QEMU was to be had: with the host's own, all takes a third longer" >&3
  settle_in "$work/root"
  make_initrd "$work/root" "$work/initrd"
  cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
  rm -rf "$work"/root/boot/*
  # Thrown away after each run, so a journal would only cost time.
  mke2fs -q -t ext4 -O ^has_journal -m 0 -L root -d "$work/root" "$work/root.ext4" 4G
  rm -rf --one-file-system "$work/root"
  touch "$work/complete"
  rm -rf --one-file-system "$image"
  mv "$work" "$image"
  exec 1>&8 2>&3
  trap - EXIT
}

unfinished() {
  exec 2>&3
  rm -rf --one-file-system "$work"
  tail -n 20 "$cache/build.log" >&2
  echo "the virtual machine's disk could not be made; all of the above is in $cache/build.log" >&2
}

# make_root DIR: Debian, with its kernel beside it: only unpacked, since its installation would make an initramfs.
make_root() {
  local root=$1 packages kernel
  packages=$(grep -v '^#' image/packages | paste -sd,)
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror"
  kernel=$(chroot "$root" apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
  chroot "$root" sh -c "cd /tmp && apt-get -qq download '$kernel'"
  # /lib is a link, which must not be replaced.
  dpkg-deb --fsys-tarfile "$root"/tmp/linux-image-*.deb | tar -x -C "$root" --keep-directory-symlink
  rm "$root"/tmp/*.deb
  (cd "$root"/lib/modules/*/kernel && rm -rf "${unwanted[@]}")
  chroot "$root" depmod "$(basename "$root"/lib/modules/*)"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
}

# get_qemu ROOT DIR: for a host that is a Debian 12, too, the QEMU of its backports, unpacked into DIR: 10.0, under which the
# tests take three quarters of the time that they take under the host's 7.2. apt in ROOT gets it.
get_qemu() {
  local root=$1 dir=$2 package status=0
  # shellcheck source=/dev/null
  [ "$(. /etc/os-release && echo "${VERSION_CODENAME-}")" = "$suite" ] || return 0
  echo "deb $mirror $suite-backports main" >"$root/etc/apt/sources.list.d/backports.list"
  # What fails is seen by the last command: in a condition, as here, set -e does nothing.
  {
    chroot "$root" sh -c "apt-get -qq update && cd /tmp &&
      apt-get -qq download qemu-system-x86/$suite-backports qemu-system-common/$suite-backports" &&
      for package in "$root"/tmp/qemu-*.deb; do dpkg-deb -x "$package" "$dir"; done &&
      QEMU_MODULE_DIR=$dir/usr/lib/x86_64-linux-gnu/qemu "$dir/usr/bin/qemu-system-x86_64" -accel help
  } || status=$?
  rm -rf "$root"/tmp/*.deb "$root/etc/apt/sources.list.d/backports.list" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  [ "$status" -eq 0 ] || rm -rf "$dir"
  return "$status"
}

# settle_in DIR: what makes a host of it.
settle_in() {
  local root=$1 unit
  echo rung-vm >"$root/etc/hostname"
  printf '127.0.0.1 localhost rung-vm\n::1 localhost\n' >"$root/etc/hosts"
  # Known, so that this is never a first boot.
  echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
  cp image/*.service "$root/etc/systemd/system/"
  # Nothing but tests should be busy here, nobody logs in twice, and engines are the tests' own.
  for unit in getty@tty1.service serial-getty@ttyS0.service getty-static.service systemd-timesyncd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-tmpfiles-clean.timer systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    containerd.service docker.service docker.socket podman.service podman.socket podman-auto-update.timer \
    podman-auto-update.service podman-restart.service podman-clean-transient.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  mkdir -p "$root/etc/systemd/system/graphical.target.wants"
  ln -s ../rung-guest.service ../rung-shell.service "$root/etc/systemd/system/graphical.target.wants/"
  # Profiles that take ten seconds to compile, and interpreters that nobody asks for.
  find "$root/etc/apparmor.d" -maxdepth 1 -type f -delete
  rm -f "$root"/usr/lib/binfmt.d/*
  # A person of flesh and blood, who owns what rootless containers need: subordinate ids, a systemd of her own that runs
  # without a login, and all controllers.
  chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 alice
  grep -q '^alice:' "$root/etc/subuid"
  mkdir -p "$root/var/lib/systemd/linger" "$root/etc/systemd/system/user@.service.d"
  touch "$root/var/lib/systemd/linger/alice"
  printf '[Service]\nDelegate=cpu cpuset io memory pids\n' >"$root/etc/systemd/system/user@.service.d/delegate.conf"
  echo 'kernel.printk = 3 4 1 3' >"$root/etc/sysctl.d/rung.conf"
  chroot "$root" passwd -d root
  : >"$root/etc/motd"
  # What shell.sh has to say to the person's shell.
  echo '[ ! -r /mnt/work/profile ] || . /mnt/work/profile' >"$root/etc/profile.d/rung.sh"
}

# make_initrd ROOT FILE: busybox, the modules in the order in which they can be loaded, and image/init.
make_initrd() {
  local root=$1 dir=$1/../initramfs version module
  mkdir -p "$dir"/{bin,dev,proc,root,modules}
  cp "$root/bin/busybox" "$dir/bin/busybox"
  install -m 755 image/init "$dir/init"
  version=$(basename "$root"/lib/modules/*)
  chroot "$root" modprobe -a --set-version "$version" --show-depends "${boot_modules[@]}" |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r module; do
      cp "$root/$module" "$dir/modules/"
      echo "/modules/$(basename "$module")" >>"$dir/modules/order"
    done
  [ -s "$dir/modules/order" ]
  (cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) >"$2"
  rm -rf "$dir"
}

main
