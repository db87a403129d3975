# shellcheck shell=bash
# What the tests of Docker share. D/d.sock is the daemon's socket, NAME the container of the test, which sets it; OPTIONS are the
# file's options of every container.

# The client, bounded in time. --foreground leaves it the terminal, where there is one.
docker_() { timeout --foreground -k 2 60 docker -H "unix://$D/d.sock" "$@"; }
docker_quiet() { docker_ "$@" >/dev/null 2>&1; }

# box [OPTION...] IMAGE COMMAND...: docker run, with rung.
box() {
  # shellcheck disable=SC2086 # a list of words
  docker_ run --rm ${OPTIONS-} --name "$NAME" "$@"
}

# detached: as box, in the background, and it stays when it has ended.
detached() {
  # shellcheck disable=SC2086 # a list of words
  docker_ run -d ${OPTIONS-} --name "$NAME" "$@" >/dev/null
}

# For the shells that some tests start in between.
export -f docker_ box

inspect() { docker_ inspect -f "$1" "$NAME"; }
inspects() { [ "$(inspect "$1")" = "$2" ]; }
logged() { docker_ logs "$NAME" 2>&1 | grep -q "$1"; }

# limit V2FILE V1CONTROLLER V1FILE: of this test's container.
limit() { limit_of "$TAG/$(inspect '{{.Id}}')" "$@"; }

remove_containers() {
  local ids
  mapfile -t ids < <(docker_ ps -aq)
  if [ ${#ids[@]} -gt 0 ]; then docker_quiet rm -f "${ids[@]}"; fi
}
