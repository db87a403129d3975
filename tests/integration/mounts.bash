# shellcheck shell=bash
# Looking at a container's mount table. show_mounts runs a container that
# prints it; the rest reads it from out.

# show_mounts: runs the container; its mount table is in out then.
show_mounts() {
  program cat /proc/self/mountinfo
  run_ct
}

# add_mount DESTINATION TYPE SOURCE [OPTION...]: appends to .mounts.
add_mount() {
  local destination=$1 type=$2 source=$3
  shift 3
  edit --arg d "$destination" --arg t "$type" --arg s "$source" \
    '.mounts += [{destination: $d, type: $t, source: $s, options: $ARGS.positional}]' \
    --args -- "$@"
}

# mount_field N DESTINATION: a field of mountinfo, of the last mount there.
mount_field() { awk -v n="$1" -v d="$2" '$5 == d { found = $n } END { print found }' <<<"$out"; }

# flags DESTINATION: the per-mount options, such as "rw,nosuid,relatime".
flags() { mount_field 6 "$1"; }

# propagation DESTINATION: the optional fields: "shared:1 master:2", or nothing.
propagation() {
  awk -v d="$1" '$5 == d { found = ""; for (i = 7; $i != "-"; i++) found = found $i " " } END { print found }' <<<"$out"
}

# fs_of DESTINATION: the type and, after a blank, the superblock's options.
fs_of() {
  awk -v d="$1" '$5 == d { for (i = 7; $i != "-"; i++); found = $(i + 1) " " $NF } END { print found }' <<<"$out"
}

# has_flag, has_no_flag DESTINATION FLAG...
has_flag() {
  local destination=$1 flag
  shift
  for flag; do contains ",$(flags "$destination")," ",$flag," || return; done
}
has_no_flag() {
  local destination=$1 flag
  shift
  for flag; do lacks ",$(flags "$destination")," ",$flag," || return; done
}
