package launch

// table is everything that happens outside, in order.
var table = []row{
	{"labels", always, (*creation).labels, nil},
	{"begin", forInit, (*creation).begin, nil},
	{"journal", forInit, (*creation).journal, (*creation).poststop},
	{"target", forExec, (*creation).target, nil},
	{"cgroup", forInit, (*creation).makeCgroup, (*creation).removeCgroup},
	{"rdt", forInit, (*creation).makeRdt, (*creation).removeRdt},
	{"network-devices", forInit, (*creation).mayMoveDevices, (*creation).returnDevices},
	{"gate", forInit, (*creation).makeGate, nil},
	{"seal", always, (*creation).seal, nil},
	{"clone", always, (*creation).clone, (*creation).kill},
	{"rdt-join", always, (*creation).joinRdt, nil},
	{"message", always, (*creation).message, nil},
	{"seccomp", always, (*creation).filter, nil},
	{"early-limits", forInit, (*creation).earlyLimits, nil},
	{"runtime-hooks", forInit, (*creation).runtimeHooks, nil},
	{"ready", always, (*creation).ready, nil},
	{"device-rules", forInit, (*creation).deviceRules, nil},
	{"late-limits", forInit, (*creation).lateLimits, nil},
	{"delegate-cgroup", forInit, (*creation).delegateBelow, nil},
	{"pidfd-socket", always, (*creation).sendPidfd, nil},
	{"pid-file", always, (*creation).writePidFile, (*creation).removePidFile},
	{"state", forInit, (*creation).record, (*creation).unrecord},
	{"commit", always, (*creation).commit, nil},
	{"release", always, (*creation).release, nil},
}
