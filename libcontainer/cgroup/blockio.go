package cgroup

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// ioController returns what the host's cgroup version calls the controller of
// block devices.
func (m *Manager) ioController() string {
	if m.v2() {
		return "io"
	}
	return "blkio"
}

// setBlockIO applies linux.resources.blockIO. A weight of 0 is unset.
func (m *Manager) setBlockIO(b *specs.LinuxBlockIO) error {
	if b.Weight != nil && *b.Weight != 0 {
		if err := m.setWeight("blockIO.weight", "", *b.Weight); err != nil {
			return err
		}
	}
	if b.LeafWeight != nil && *b.LeafWeight != 0 {
		if err := m.setLeafWeight("blockIO.leafWeight", "blkio.leaf_weight", utoa(uint64(*b.LeafWeight))); err != nil {
			return err
		}
	}
	for i, d := range b.WeightDevice {
		field := index("blockIO.weightDevice", i)
		device := itoa(d.Major) + ":" + itoa(d.Minor) + " "
		if d.Weight != nil && *d.Weight != 0 {
			if err := m.setWeight(field+".weight", device, *d.Weight); err != nil {
				return err
			}
		}
		if d.LeafWeight != nil && *d.LeafWeight != 0 {
			if err := m.setLeafWeight(field+".leafWeight", "blkio.leaf_weight_device", device+utoa(uint64(*d.LeafWeight))); err != nil {
				return err
			}
		}
	}
	for _, t := range [...]struct {
		field, v1, v2 string
		devices       []specs.LinuxThrottleDevice
	}{
		{"blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps", b.ThrottleReadBpsDevice},
		{"blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps", b.ThrottleWriteBpsDevice},
		{"blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops", b.ThrottleReadIOPSDevice},
		{"blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range t.devices {
			if err := m.setThrottle(index(t.field, i), t.v1, t.v2, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// index returns the path of element i of a field.
func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// setWeight sets a weight from 10 to 1000, of a device if that is not empty. It
// is for the scheduler BFQ where the kernel has it; else, on v2, for io.cost.
func (m *Manager) setWeight(field, device string, weight uint16) error {
	if weight < 10 || weight > 1000 {
		return errdefs.Field("linux.resources."+field, strconv.Itoa(int(weight))+" is not between 10 and 1000")
	}
	value := device + strconv.Itoa(int(weight))
	tries := []limit{
		{field, "blkio", "blkio.bfq.weight", value},
		{field, "blkio", "blkio.weight", value},
	}
	if device != "" {
		tries[0].file += "_device"
		tries[1].file += "_device"
	}
	if m.v2() {
		// From 10–1000 to 1–10000, linearly.
		converted := 1 + (uint64(weight)-10)*9999/990
		tries = []limit{
			{field, "io", "io.bfq.weight", value},
			{field, "io", "io.weight", device + utoa(converted)},
		}
	}
	err := m.try(tries[0])
	if err == unix.ENOENT && m.hasHome(m.ioController()) {
		err = m.try(tries[1])
	}
	if err == nil {
		return nil
	}
	e := m.explain(tries[0], err)
	if err == unix.ENOENT && e.Hint == "" {
		e.Hint = "load the BFQ scheduler with modprobe bfq"
	}
	return e
}

// setLeafWeight sets a weight that only the CFQ scheduler knew.
func (m *Manager) setLeafWeight(field, file, value string) error {
	if m.v2() {
		return unsupported(field, "cgroup v2 has no leaf weight")
	}
	l := limit{field, "blkio", file, value}
	err := m.try(l)
	if err == nil {
		return nil
	}
	e := m.explain(l, err)
	if err == unix.ENOENT && e.Hint == "" {
		e.Hint = "leaf weights went with the CFQ scheduler in Linux 5.0; leave the field out"
	}
	return e
}

// setThrottle limits the rate of a device; 0 lifts the limit.
func (m *Manager) setThrottle(field, v1, v2 string, d specs.LinuxThrottleDevice) error {
	device := itoa(d.Major) + ":" + itoa(d.Minor) + " "
	if !m.v2() {
		return m.apply(limit{field, "blkio", v1, device + utoa(d.Rate)})
	}
	rate := "max"
	if d.Rate != 0 {
		rate = utoa(d.Rate)
	}
	return m.apply(limit{field, "io", "io.max", device + v2 + "=" + rate})
}
