# table.awk -v style=text|markdown -v crowd=N MEDIANS
#
# Lays out the medians, lines "row<TAB>runtime<TAB>value" (ms; KiB for memory, ns for system calls), as a table with ratios and the targets.

BEGIN {
	FS = "\t"
	number = 0
	add("run", "run")
	add("idle", "run, after 200 ms idle")
	add("create", "create")
	add("start", "start")
	add("exec", "exec")
	add("state", "state")
	add("kill", "kill")
	add("delete", "delete --force, running")
	add("list", "list, " crowd " containers")
	add("alone", "run, none alive")
	add("alive", "run, " crowd " alive")
	add("updown", crowd " up and down")
	add("memory", "smallest memory limit")
	add("filtered", "run, seccomp profile")
	add("getpid", "getpid, profile")
	add("personality", "personality, profile")
	add("compile", "compile the profile")
}

{ value[$1, $2] = $3 }

END {
	line("", "rung", "crun", "runc", "rung/crun", "rung/runc", "target", "")
	if (style == "markdown") print "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"
	for (i = 1; i <= number; i++) {
		row = rows[i]
		if (!((row, "rung") in value)) continue
		line(title[row], figure(row, "rung"), figure(row, "crun"), figure(row, "runc"),
			quotient(row, "crun"), quotient(row, "runc"), target(row), verdict)
	}
}

function add(row, words) {
	rows[++number] = row
	title[row] = words
}

function figure(row, runtime) {
	if (!((row, runtime) in value)) return "-"
	if (row == "memory") return kib(value[row, runtime])
	if (row == "getpid" || row == "personality") return sprintf("%.0f ns", value[row, runtime])
	if (value[row, runtime] >= 1000) return sprintf("%.2f s", value[row, runtime] / 1000)
	return sprintf("%.2f ms", value[row, runtime])
}

function kib(amount) { return amount >= 1024 ? sprintf("%.4g MiB", amount / 1024) : sprintf("%d KiB", amount) }

function ratio(row, runtime) { return ((row, runtime) in value) ? value[row, "rung"] / value[row, runtime] : 0 }

function quotient(row, runtime) { return ((row, runtime) in value) ? sprintf("%.2f", ratio(row, runtime)) : "-" }

# target returns what the row is to reach, and sets verdict; both are empty for a row without one.
function target(row) {
	verdict = ""
	if (row == "run") {
		if (!ratio(row, "crun") || !ratio(row, "runc")) return ""
		verdict = pass(ratio(row, "crun") <= 0.9 && ratio(row, "runc") <= 0.4)
		return "0.9 x crun, 0.4 x runc"
	}
	if (row == "exec") {
		if (!ratio(row, "crun") || !ratio(row, "runc")) return ""
		verdict = pass(ratio(row, "crun") <= 0.8 && ratio(row, "runc") <= 0.35)
		return "0.8 x crun, 0.35 x runc"
	}
	if (row == "state") {
		if (!ratio(row, "runc")) return ""
		verdict = pass(ratio(row, "runc") <= 0.7)
		return "0.7 x runc"
	}
	if (row == "delete") {
		if (!ratio(row, "crun")) return ""
		verdict = pass(ratio(row, "crun") <= 1.2)
		return "1.2 x crun"
	}
	if (row == "alive" && ("alone", "rung") in value) {
		verdict = pass(value[row, "rung"] <= 1.3 * value["alone", "rung"])
		return sprintf("1.3 x alone: %.2f", value[row, "rung"] / value["alone", "rung"])
	}
	if (row == "getpid" || row == "personality") {
		if (!ratio(row, "crun") || !ratio(row, "runc")) return ""
		# A tenth is what the same filter varies by from one measurement to the next.
		verdict = pass(ratio(row, "crun") <= 1.1 && ratio(row, "runc") <= 1.1)
		return "the others', within 1.1"
	}
	if (row == "compile") {
		verdict = pass(value[row, "rung"] <= 1)
		return "1 ms"
	}
	if (row == "memory") {
		verdict = pass(value[row, "rung"] <= 2048)
		return "2 MiB"
	}
	return ""
}

function pass(reached) { return reached ? "PASS" : "FAIL" }

function line(a, b, c, d, e, f, g, h) {
	if (style == "markdown") {
		printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", a, b, c, d, e, f, g, h
		return
	}
	printf "%-25s %10s %10s %10s %10s %10s  %-24s %s\n", a, b, c, d, e, f, g, h
}
