package launch

// table is everything that happens outside, in order.
var table = []row{
	{"journal", (*creation).journal, (*creation).poststop},
	{"cgroup", (*creation).makeCgroup, (*creation).removeCgroup},
	{"gate", (*creation).makeGate, nil},
	{"seal", (*creation).seal, nil},
	{"clone", (*creation).clone, (*creation).kill},
	{"network", (*creation).makeNetwork, nil},
	{"message", (*creation).message, nil},
	{"early-limits", (*creation).earlyLimits, nil},
	{"runtime-hooks", (*creation).runtimeHooks, nil},
	{"ready", (*creation).ready, nil},
	{"device-rules", (*creation).deviceRules, nil},
	{"late-limits", (*creation).lateLimits, nil},
	{"pidfd-socket", (*creation).sendPidfd, nil},
	{"pid-file", (*creation).writePidFile, (*creation).removePidFile},
	{"state", (*creation).record, nil},
	{"commit", (*creation).commit, nil},
	{"release", (*creation).release, nil},
}
