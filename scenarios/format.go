package scenarios

import "strconv"

// formatNumber writes f as short as it can be read back.
func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
