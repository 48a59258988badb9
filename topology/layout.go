package topology

// Point is a position on the map's plane; x to the right, y downwards, in units
// of one workload's diameter.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Box is a rectangle on the map's plane: centre and full size.
type Box struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Layout says where a map's things are drawn. Groups come first: applications
// are placed on the plane, roles inside their application, members inside their
// role. Slices run parallel to Map.Applications, Map.Roles and Graph.Nodes.
type Layout struct {
	Width        float64 `json:"width"` // everything lies within 0..Width, 0..Height
	Height       float64 `json:"height"`
	Applications []Box   `json:"applications"`
	Roles        []Box   `json:"roles"`
	Nodes        []Point `json:"nodes"`
}
