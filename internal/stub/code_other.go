//go:build !amd64 && !arm64

package stub

const (
	supported = false
	machine   = 0
)

func (p *Program) mapPlan(int) {}

func machineCode() []byte { return nil }
