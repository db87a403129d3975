# shellcheck shell=bash
# The virtual machine, as seen from the host.

VM_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# What limits the machine's time: a command to put before it.
VM_LIMIT=()
VM_TREE=$(realpath "$VM_DIR/../..")

# prepare_work: a folder SCRATCH for what the host needs, and in it WORK, which the machine finds as /mnt/work, with the binary
# under test and what the tests need of Go.
prepare_work() {
  if [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "the virtual machine is for amd64 hosts only" >&2
    return 1
  fi
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/rung-vm.XXXXXX")
  trap 'rm -rf --one-file-system "$SCRATCH"' EXIT
  WORK=$SCRATCH/work
  mkdir "$WORK"
  cp "${RUNG:-$VM_TREE/rung}" "$WORK/rung"
  vm_go build -o "$WORK/testhelper" ./tests/integration/cmd/testhelper
  vm_go -C tests/engines/tools build -trimpath -buildvcs=false -ldflags '-s -w' -o "$WORK/tools/" ./cri ./pause
  vm_go build -tags fakeresctrl -o "$WORK/rung-fakeresctrl" .
}

# vm_go ARG...: Go on the host, for the machine, which has none.
vm_go() { (cd "$VM_TREE" && CGO_ENABLED=0 "${GO:-go}" "$@"); }

# machine APPEND ARG...: runs QEMU until the machine is turned off; APPEND is for the kernel's command line. The machine
# finds the tree as /mnt/tree and WORK as /mnt/work: copies, from a second disk that is a tar archive, which is faster than
# a shared folder and depends on less. What the machine writes is gone afterwards.
#
# KVM is used only if VM_ACCEL=kvm asks for it: where it is itself emulated it may be there and not work. What QEMU
# emulates is a plain processor, whose state is saved and restored a fifth faster than that of one with all it has (max).
machine() {
  local append=$1 image qemu=(qemu-system-x86_64)
  shift
  image=$("$VM_DIR/image.sh")
  tar -C "$SCRATCH" -cf "$SCRATCH/files.tar" work
  tar -C "$VM_TREE" --exclude=./.git --exclude=./rung --exclude=./dist --transform 's,^\.,tree,' -rf "$SCRATCH/files.tar" .
  local accel="tcg,thread=multi" cpu="qemu64,+rdrand,+popcnt,+ssse3,+sse4.1,+sse4.2"
  [ "${VM_ACCEL:-tcg}" = tcg ] || accel=$VM_ACCEL cpu=max
  # The host's QEMU has the firmware.
  [ ! -d "$image/qemu" ] || qemu=(env "QEMU_MODULE_DIR=$image/qemu/usr/lib/x86_64-linux-gnu/qemu" "$image/qemu/usr/bin/qemu-system-x86_64")
  "${VM_LIMIT[@]}" "${qemu[@]}" -accel "$accel" -cpu "$cpu" -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-3072}" \
    -nodefaults -display none -no-reboot -nic none \
    -kernel "$image/vmlinuz" -initrd "$image/initrd" \
    -append "console=ttyS0 quiet systemd.show_status=0 mitigations=off panic=-1 tsc=reliable systemd.default_timeout_start_sec=900 $append" \
    -drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -drive "file=$SCRATCH/files.tar,format=raw,if=virtio,readonly=on" \
    "$@"
}
