// SPDX-License-Identifier: Apache-2.0

package estimate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// sample is one time that was seen, and the mean of how many waves it is.
type sample struct {
	took  time.Duration
	waves int
}

const (
	// sureP90 is how many samples a P90 needs: of fewer, the slowest is no rarer than one of ten.
	sureP90 = 10
	// pause is how many times the median a step takes when it was not working all the time, because a person or the
	// end of a window held it in the middle. The record of a step does not say so.
	pause = 10
)

// percentiles of samples, by the nearest rank: each is a time that was seen. Of few samples nobody knows the tenth
// part that is slowest, so P90 is then the slowest and a quarter more.
func percentiles(samples []sample) Duration {
	sorted := working(samples)
	n := len(sorted)
	d := Duration{P50: rank(sorted, 50).took, P90: rank(sorted, 90).took, Samples: n}
	if n < sureP90 {
		slowest := sorted[n-1].took
		d.P90 = slowest + slowest/4
	}
	return d
}

// widened is for one wave what percentiles is for the mean of several: a mean of n varies √n times less.
func widened(samples []sample) Duration {
	d := percentiles(samples)
	waves := make([]int, len(samples))
	for i, s := range samples {
		waves[i] = s.waves
	}
	slices.Sort(waves)
	median := waves[(len(waves)-1)/2]
	d.P90 = d.P50 + time.Duration(float64(d.P90-d.P50)*math.Sqrt(float64(median))).Round(time.Second)
	return d
}

// working leaves out the samples that hold a pause, and sorts the others.
func working(samples []sample) []sample {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b sample) int { return cmp.Compare(a.took, b.took) })
	if len(sorted) < enough {
		return sorted
	}
	median := rank(sorted, 50).took
	return slices.DeleteFunc(sorted, func(s sample) bool { return median > 0 && s.took > pause*median })
}

// rank is the smallest sample that percent of all do not exceed.
func rank(sorted []sample, percent int) sample {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
